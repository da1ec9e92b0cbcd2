package io.palimpsest.server.metrics;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.server.metrics.Exposition.MetricType;
import io.palimpsest.tenant.BackgroundCounters;
import io.palimpsest.tenant.Evictor;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Operations;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineState;
import io.palimpsest.timeline.WalReceiver;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Tenants and their timelines. Sums are always there; samples of their own have only timelines that
 * follow a source, eight at most, so that ten thousand branches cost nothing.
 */
final class TenantMetrics {
    private final Tenants tenants;

    TenantMetrics(Tenants tenants) {
        this.tenants = tenants;
    }

    /** A timeline, and who feeds it. */
    private record Seen(Timeline timeline, @Nullable WalReceiver receiver) {
        boolean active() {
            return receiver != null && !archived();
        }

        boolean archived() {
            return timeline.state() instanceof TimelineState.Archived;
        }

        String[] labels() {
            return new String[] {
                "tenant_id",
                timeline.tenant().tenant().toString(),
                "shard_id",
                String.format(
                        Locale.ROOT,
                        "%02x%02x",
                        timeline.tenant().number(),
                        timeline.tenant().count()),
                "timeline_id",
                timeline.id().toString()
            };
        }
    }

    void write(Exposition out) {
        List<Seen> all = new ArrayList<>();
        List<TenantId> ids = tenants.tenants();
        int stale = 0;
        for (TenantId tenant : ids) {
            try {
                for (Timeline timeline : tenants.timelines(tenant)) {
                    all.add(new Seen(timeline, tenants.receiver(tenant, timeline.id())));
                }
                var ownership = tenants.ownership(tenant);
                stale += ownership != null && ownership.fencedBy() != 0 ? 1 : 0;
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.NOT_FOUND) {
                    throw e;
                }
                // It went away meanwhile.
            }
        }
        out.family(
                        "pageserver_tenant_states_count",
                        MetricType.GAUGE,
                        "Tenants here. Stale: another server has taken it over.")
                .sample(ids.size() - stale, "state", "Active")
                .sample(stale, "state", "Stale");
        sums(out, all);
        timelines(out, all.stream().filter(Seen::active).toList());
        background(out, tenants.housekeeper().counters());
        operations(out, tenants.operations());
        Evictor.Outcome evicted = tenants.evictor().total();
        out.family(
                        "palimpsest_evicted_layers_total",
                        MetricType.COUNTER,
                        "Layers that left the disk because the store has them.")
                .sample(evicted.layers());
        out.family("palimpsest_evicted_bytes_total", MetricType.COUNTER, "Bytes of them.")
                .sample(evicted.bytes());
    }

    private static void operations(Exposition out, Operations operations) {
        List<Operation.Status> running =
                operations.list().stream()
                        .filter(status -> status.state() == Operation.State.RUNNING)
                        .toList();
        out.family(
                "palimpsest_operation_running_count",
                MetricType.GAUGE,
                "Long work that was asked for and goes on.");
        for (Operation.Kind kind : Operation.Kind.values()) {
            long these = running.stream().filter(status -> status.kind() == kind).count();
            out.sample(these, "kind", name(kind));
        }
        out.family(
                "palimpsest_operation_running_bytes",
                MetricType.GAUGE,
                "Bytes that it has moved so far.");
        for (Operation.Kind kind : Operation.Kind.values()) {
            long bytes =
                    running.stream()
                            .filter(status -> status.kind() == kind)
                            .mapToLong(Operation.Status::bytesDone)
                            .sum();
            out.sample(bytes, "kind", name(kind));
        }
        out.family(
                "palimpsest_operations_total",
                MetricType.COUNTER,
                "Long work that was asked for and is over.");
        for (Operation.Kind kind : Operation.Kind.values()) {
            out.sample(operations.completed(kind), "kind", name(kind), "result", "completed")
                    .sample(operations.failed(kind), "kind", name(kind), "result", "failed")
                    .sample(operations.cancelled(kind), "kind", name(kind), "result", "cancelled");
        }
    }

    private static String name(Operation.Kind kind) {
        return kind.name().toLowerCase(Locale.ROOT);
    }

    private static void sums(Exposition out, List<Seen> all) {
        long archived = all.stream().filter(Seen::archived).count();
        long failed = all.stream().filter(t -> t.timeline.failure() != null).count();
        long full = all.stream().filter(t -> t.timeline.diskFull() != null).count();
        out.family("palimpsest_branch_count", MetricType.GAUGE, "Timelines here, by what they are.")
                .sample(all.size() - archived, "state", "active")
                .sample(archived, "state", "archived");
        out.family(
                        "palimpsest_branch_trouble_count",
                        MetricType.GAUGE,
                        "Timelines that take no WAL: stopped for good, or until the disk has room.")
                .sample(failed, "why", "stopped")
                .sample(full, "why", "disk_full");
        sum(
                out,
                all,
                "palimpsest_layer_count",
                "Layers of all timelines.",
                t -> t.timeline.layerCount());
        sum(
                out,
                all,
                "palimpsest_layer_bytes",
                "Bytes of all layers, wherever they are.",
                t -> t.timeline.layerBytes());
        sum(
                out,
                all,
                "palimpsest_resident_bytes",
                "Bytes of those that are on the disk.",
                t -> t.timeline.residentBytes());
        sum(
                out,
                all,
                "palimpsest_l0_count",
                "L0 layers that wait to be merged.",
                t -> t.timeline.l0Count());
        sum(
                out,
                all,
                "palimpsest_upload_waiting_bytes",
                "Bytes of layers that are not in the store yet.",
                t -> Math.max(0, t.timeline.uploadLagBytes()));
        sum(
                out,
                all,
                "pageserver_valid_lsn_lease_count",
                "Leases of LSNs that hold.",
                t -> t.timeline.leases().size());
        sum(
                out,
                all,
                "palimpsest_damaged_layer_count",
                "Layers that were found damaged, and are left out of compaction.",
                t -> t.timeline.damaged().names().size());
    }

    private static void sum(
            Exposition out, List<Seen> all, String name, String help, ToLongFunction<Seen> value) {
        out.family(name, MetricType.GAUGE, help).sample(all.stream().mapToLong(value).sum());
    }

    private static void timelines(Exposition out, List<Seen> active) {
        each(
                out,
                active,
                "pageserver_last_record_lsn",
                "End of the last record that can be read.",
                t -> t.timeline.lastRecordLsn());
        each(
                out,
                active,
                "pageserver_disk_consistent_lsn",
                "Up to it all is on the disk.",
                t -> t.timeline.diskConsistentLsn());
        each(
                out,
                active.stream().filter(t -> t.timeline.remoteConsistentLsn() >= 0).toList(),
                "pageserver_projected_remote_consistent_lsn",
                "Up to it all is in the object store.",
                t -> t.timeline.remoteConsistentLsn());
        each(
                out,
                active,
                "palimpsest_at_risk_bytes",
                "WAL that would have to come again from the source if this machine were lost.",
                t -> Math.max(0, t.timeline.lastRecordLsn() - t.timeline.safeLsn()));
        each(
                out,
                active,
                "palimpsest_source_up",
                "1: its WAL streams. 0: it does not, and walreceiver_status of the timeline says why.",
                t ->
                        t.receiver != null && t.receiver.state() == WalReceiver.State.STREAMING
                                ? 1
                                : 0);
        each(
                out,
                active,
                "palimpsest_source_lag_bytes",
                "WAL that the source had when it was last heard, and that cannot be read here yet.",
                t ->
                        t.receiver == null
                                ? 0
                                : Math.max(0, t.receiver.serverEnd() - t.timeline.lastRecordLsn()));
    }

    private static void each(
            Exposition out,
            List<Seen> active,
            String name,
            String help,
            ToLongFunction<Seen> value) {
        out.family(name, MetricType.GAUGE, help);
        active.forEach(t -> out.sample(value.applyAsLong(t), t.labels()));
    }

    private static void background(Exposition out, BackgroundCounters.Snapshot counters) {
        out.family(
                        "palimpsest_background_jobs_total",
                        MetricType.COUNTER,
                        "Jobs of background work that were done.")
                .sample(counters.flushes(), "kind", "flush")
                .sample(counters.merges(), "kind", "merge")
                .sample(counters.images(), "kind", "image")
                .sample(counters.histories(), "kind", "history")
                .sample(counters.collections(), "kind", "gc");
        out.family(
                        "palimpsest_background_failures_total",
                        MetricType.COUNTER,
                        "Jobs of background work that failed; the log says why.")
                .sample(counters.failures());
        out.family(
                        "palimpsest_flush_stalls_total",
                        MetricType.COUNTER,
                        "Flushes that had to wait for merges.")
                .sample(counters.stalls());
        out.family(
                        "palimpsest_compaction_read_bytes_total",
                        MetricType.COUNTER,
                        "Bytes of files that compaction has read, about.")
                .sample(counters.bytesRead());
        out.family(
                        "palimpsest_compaction_written_bytes_total",
                        MetricType.COUNTER,
                        "Bytes of files that compaction has written.")
                .sample(counters.bytesWritten());
        out.family(
                        "palimpsest_gc_removed_layers_total",
                        MetricType.COUNTER,
                        "Layers that garbage collection has removed.")
                .sample(counters.layersCollected());
    }
}
