package io.palimpsest.service;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What operators ask of a page server. Methods may block; errors are {@link Tenants}'. */
public final class Management {
    private final Tenants tenants;

    public Management(Tenants tenants) {
        this.tenants = tenants;
    }

    /** Tenants with a timeline here, in order. */
    public List<TenantId> tenants() {
        return tenants.tenants();
    }

    /** The timelines of a tenant, by id; NOT_FOUND if the tenant has none here. */
    public List<TimelineInfo> timelines(TenantId tenant) {
        return tenants.timelines(tenant).stream().map(t -> info(tenant, t)).toList();
    }

    public TimelineInfo timeline(TenantId tenant, TimelineId timeline) {
        return info(tenant, tenants.timeline(tenant, timeline));
    }

    /**
     * Makes a branch; the same one again is fine.
     *
     * @param at where; {@link Lsn#INVALID}: at the ancestor's last record
     */
    public TimelineInfo createBranch(
            TenantId tenant, TimelineId newId, TimelineId ancestor, Lsn at) {
        return info(tenant, tenants.createBranch(tenant, newId, ancestor, at.value()));
    }

    /**
     * Makes a timeline from a running PostgreSQL and follows it.
     *
     * @param conninfo {@code key=value} pairs as libpq takes them
     * @param slot the physical replication slot that keeps the WAL for us
     */
    public TimelineInfo createFromSource(
            TenantId tenant, TimelineId newId, String conninfo, String slot) {
        return info(
                tenant, tenants.createFromSource(tenant, newId, WalSource.parse(conninfo, slot)));
    }

    /** Makes durable what has arrived; returns when it is. */
    public void flush(TenantId tenant, TimelineId timeline) {
        Timeline found = tenants.timeline(tenant, timeline);
        found.flushUpTo(found.lastRecordLsn());
    }

    private TimelineInfo info(TenantId tenant, Timeline timeline) {
        Timeline ancestor = timeline.ancestor();
        WalReceiver receiver = tenants.receiver(tenant, timeline.id());
        RuntimeException failure = timeline.failure();
        return new TimelineInfo(
                tenant,
                timeline.id(),
                ancestor == null ? null : ancestor.id(),
                new Lsn(timeline.ancestorLsn()),
                new Lsn(timeline.lastRecordLsn()),
                new Lsn(timeline.diskConsistentLsn()),
                new Lsn(timeline.oldestReadableLsn()),
                timeline.version().major(),
                timeline.layerBytes(),
                timeline.layerCount(),
                failure == null ? null : String.valueOf(failure.getMessage()),
                receiver == null
                        ? withoutReceiver(tenants.receiverFailure(tenant, timeline.id()), timeline)
                        : status(receiver));
    }

    private static TimelineInfo.@Nullable Receiver withoutReceiver(
            @Nullable String why, Timeline timeline) {
        return why == null
                ? null
                : new TimelineInfo.Receiver(
                        "broken: " + why, "", new Lsn(timeline.lastRecordLsn()));
    }

    private static TimelineInfo.Receiver status(WalReceiver receiver) {
        WalSource source = receiver.source();
        return new TimelineInfo.Receiver(
                receiver.status(),
                "host=" + source.host() + " port=" + source.port() + " user=" + source.user(),
                new Lsn(receiver.receivedLsn()));
    }

    /**
     * A timeline's state at one moment.
     *
     * @param ancestorLsn {@link Lsn#INVALID} without an ancestor
     * @param failure why no more WAL is taken, or null
     * @param receiver null if nothing feeds it
     */
    public record TimelineInfo(
            TenantId tenant,
            TimelineId timeline,
            @Nullable TimelineId ancestor,
            Lsn ancestorLsn,
            Lsn lastRecordLsn,
            Lsn diskConsistentLsn,
            Lsn oldestReadableLsn,
            int pgVersion,
            long layerBytes,
            int layerCount,
            @Nullable String failure,
            @Nullable Receiver receiver) {
        /**
         * Where its WAL comes from.
         *
         * @param source the connection string without the password
         */
        public record Receiver(String status, String source, Lsn receivedLsn) {}
    }
}
