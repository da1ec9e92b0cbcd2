package io.palimpsest.server.source;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Environment;
import io.palimpsest.server.source.Finding.Verdict;
import io.palimpsest.server.source.SourceFacts.Settings;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The PostgreSQLs that this server follows, or is about to. Methods block on the network. */
public final class Sources {
    private final Tenants tenants;
    private final SourceReader reader;
    private final long acknowledged;

    /**
     * @param acknowledged bytes of WAL that may be received and not acknowledged in ordinary work
     */
    public Sources(Tenants tenants, Environment environment, long acknowledged) {
        this.tenants = tenants;
        this.reader = new SourceReader(environment);
        this.acknowledged = acknowledged;
    }

    /**
     * Whether a source can be followed.
     *
     * @param findings all that was looked at
     */
    public record Check(List<Finding> findings) {
        public Verdict verdict() {
            return SourceCheck.worst(findings);
        }

        /**
         * May it be followed?
         *
         * @param accepted says somebody that he accepts the danger?
         * @throws PageserverException PRECONDITION_FAILED saying why not and what to do
         */
        public void require(boolean accepted) {
            String wrong = SourceCheck.told(findings, Verdict.WRONG);
            String danger = SourceCheck.told(findings, Verdict.DANGEROUS);
            if (wrong != null) {
                throw new PageserverException(
                        ErrorCode.PRECONDITION_FAILED, "the source cannot be followed: " + wrong);
            }
            if (danger != null && !accepted) {
                throw new PageserverException(
                        ErrorCode.PRECONDITION_FAILED,
                        "following this source could harm it: "
                                + danger
                                + "; or say that you accept that (accept_danger, --i-accept)");
            }
        }
    }

    /**
     * A source that is followed.
     *
     * @param source never printed with its password
     * @param receiver what the receiver says
     */
    public record Followed(
            TenantId tenant, TimelineId timeline, WalSource source, String receiver) {}

    /**
     * How a followed source stands.
     *
     * @param check empty if the source does not answer
     * @param slot null if the source does not answer, or refuses SQL
     * @param problem why not; empty if it does
     */
    public record Status(
            Followed followed, Check check, @Nullable SlotReport slot, String problem) {
        /**
         * Nothing is taken from its slot for a while: may that be?
         *
         * @param accepted says somebody that he accepts the danger?
         * @throws PageserverException PRECONDITION_FAILED if the slot may fill the source's disk
         */
        public void requireBound(boolean accepted) {
            if (slot != null && slot.limitBytes().isEmpty() && !accepted) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "while it is paused, slot %s keeps all WAL there will be until the source's disk is full: set max_slot_wal_keep_size there first, or say that you accept that (accept_danger, --i-accept)",
                        followed.source().slot());
            }
        }
    }

    /**
     * Looks at a source that is not followed yet.
     *
     * @throws PageserverException with advice if it cannot be reached, or does not let us in
     */
    public Check check(WalSource source) {
        return new Check(
                SourceCheck.findings(reader.facts(source), source.slot(), false, acknowledged));
    }

    /** Sources of a tenant, or of all; by tenant and timeline. */
    public List<Followed> list(@Nullable TenantId only) {
        List<Followed> all = new ArrayList<>();
        for (TenantId tenant : tenants.tenants()) {
            if (only != null && !only.equals(tenant)) {
                continue;
            }
            for (Timeline timeline : tenants.timelines(tenant)) {
                WalReceiver receiver = tenants.receiver(tenant, timeline.id());
                if (receiver != null) {
                    all.add(followed(tenant, timeline.id(), receiver));
                }
            }
        }
        return all;
    }

    /** NOT_FOUND if the timeline is not here, or follows nobody. */
    public Status status(TenantId tenant, TimelineId timeline) {
        Followed followed = find(tenant, timeline);
        WalSource source = followed.source();
        SourceFacts facts;
        try {
            facts = reader.facts(source);
        } catch (PageserverException e) {
            return new Status(followed, new Check(List.of()), null, String.valueOf(e.getMessage()));
        }
        Settings settings = facts.settings();
        return new Status(
                followed,
                new Check(SourceCheck.findings(facts, source.slot(), true, acknowledged)),
                settings == null ? null : SlotReport.of(settings),
                facts.refusal());
    }

    private Followed find(TenantId tenant, TimelineId timeline) {
        TimelineId id = tenants.timeline(tenant, timeline).id();
        WalReceiver receiver = tenants.receiver(tenant, id);
        if (receiver == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "timeline %s follows no source", timeline);
        }
        return followed(tenant, id, receiver);
    }

    private static Followed followed(TenantId tenant, TimelineId timeline, WalReceiver receiver) {
        return new Followed(tenant, timeline, receiver.source(), receiver.status());
    }
}
