package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The page server of a {@link FailoverScenario}, and who operates it. */
final class FailoverRun {
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1000 * MILLIS;
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final long CATCH_UP_NANOS = 3600 * SECOND;

    private final FailoverCluster cluster;
    private final Prng random;
    private final Machine server;
    private final Limits limits;

    /** What followed the source, one after the other; the last one does. */
    private final List<TimelineId> ids = new ArrayList<>(List.of(new TimelineId(3, 0)));

    /** The last record that a timeline had before the power was lost. */
    private long seen;

    /** The receiver that was broken for a reason that is none of ours; null if none was. */
    private @Nullable WalReceiver excused;

    FailoverRun(FailoverCluster cluster, Prng random, Machine server) {
        this.cluster = cluster;
        this.random = random;
        this.server = server;
        limits = HostileLimits.of(random);
    }

    private Tenants load() {
        return Tenants.load(server.environment(), limits, TenantConfig.DEFAULT);
    }

    private static WalSource source(String host) {
        return WalSource.parse("host=" + host + " port=" + SimPostgres.PORT + " user=sim", "sim");
    }

    private TimelineId current() {
        return ids.getLast();
    }

    /** A life of the page server; the last one ends when all has come right. */
    void serve(boolean last) {
        Tenants tenants = load();
        importOnce(tenants);
        checkRestart(tenants);
        long deadline = server.clock().monotonicNanos() + CATCH_UP_NANOS;
        while (!last || !caughtUp(tenants)) {
            if (!operate(tenants)) {
                // Nobody serves while something is moved.
                server.tasks().sleep(SECOND);
            }
            for (TimelineId id : ids) {
                check(tenants.timeline(TENANT, id));
            }
            server.tasks().sleep(random.nextLong(SECOND));
            if (last && server.clock().monotonicNanos() > deadline) {
                Check.that(
                        false,
                        "not caught up: at %s of %s",
                        Lsn.toString(tenants.timeline(TENANT, current()).lastRecordLsn()),
                        Lsn.toString(cluster.walEnd()));
            }
        }
        compareAll(tenants);
        tenants.close();
    }

    private boolean caughtUp(Tenants tenants) {
        Timeline timeline = tenants.timeline(TENANT, current());
        WalReceiver receiver = tenants.receiver(TENANT, current());
        return cluster.over()
                && receiver != null
                && receiver.source().host().equals(cluster.host())
                && timeline.walHistory().equals(cluster.history())
                && timeline.lastRecordLsn() == cluster.walEnd();
    }

    private void importOnce(Tenants tenants) {
        while (true) {
            try {
                Timeline _ = tenants.timeline(TENANT, ids.getFirst());
                return;
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.CONFLICT) {
                    // It was begun in an earlier life, and goes on by itself.
                    server.tasks().sleep(SECOND / 10);
                    continue;
                }
                if (e.code() != ErrorCode.NOT_FOUND) {
                    throw e;
                }
            }
            try {
                Timeline _ =
                        tenants.createFromSource(TENANT, ids.getFirst(), source(cluster.host()));
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.IO && e.code() != ErrorCode.CONFLICT) {
                    throw e;
                }
                server.tasks().sleep(SECOND);
            }
        }
    }

    /** What the loss of power may take is what was not durable; the rest is there. */
    private void checkRestart(Tenants tenants) {
        Timeline timeline = tenants.timeline(TENANT, current());
        if (timeline.lastRecordLsn() < seen) {
            WalHistory.Ended there = cluster.writer(cluster.host(), seen);
            WalHistory.Ended here = FailoverCluster.writer(timeline.walHistory(), seen);
            if (!here.equals(there)) {
                server.node().simulation().probe("failover-tail-lost-with-the-power");
            }
        }
        seen = 0;
    }

    /** What a person does who looks now and then; false if that could not be done yet. */
    private boolean operate(Tenants tenants) {
        Timeline timeline = tenants.timeline(TENANT, current());
        WalReceiver receiver = tenants.receiver(TENANT, current());
        if (receiver == null) {
            Check.that(false, "timeline %s follows nobody", current());
            return false;
        }
        try {
            if (!receiver.source().host().equals(cluster.host())) {
                if (random.nextInt(4) == 0) {
                    tenants.follow(TENANT, current(), source(cluster.host()));
                }
                return true;
            }
            if (receiver.state() == WalReceiver.State.BROKEN) {
                repair(tenants, timeline, receiver);
            }
            return true;
        } catch (PageserverException e) {
            server.note("operator-again", String.valueOf(e.getMessage()));
            Check.that(e.code() == ErrorCode.IO || e.code() == ErrorCode.CONFLICT, "%s", e);
            return false;
        }
    }

    private void repair(Tenants tenants, Timeline timeline, WalReceiver receiver) {
        String status = receiver.status();
        long last = timeline.lastRecordLsn();
        String host = receiver.source().host();
        if (status.contains("is gone from the source")) {
            Check.that(
                    cluster.slotMayBeMissing(host),
                    "there is a slot, and there was a minute ago: %s",
                    status);
            excused = receiver;
            return;
        }
        if (receiver.equals(excused) && !status.contains("palimpsest source rewind")) {
            // It looks again once a minute, and finds what the network and the machines are like.
            return;
        }
        WalHistory.Ended here = FailoverCluster.writer(timeline.walHistory(), last);
        WalHistory.Ended there = cluster.writer(host, last);
        Check.that(
                !here.equals(there) || last < cluster.keptFrom(host),
                "the source has written what is here, and keeps what comes next: %s",
                status);
        Check.that(status.contains("palimpsest source rewind"), "WAL receiver: %s", status);
        TimelineId next = new TimelineId(3, ids.size());
        try {
            Timeline branch = tenants.rewind(TENANT, current(), next);
            Check.that(
                    branch.lastRecordLsn() >= branch.ancestorLsn(), "a branch without its history");
        } catch (PageserverException e) {
            // The same again may find it done, or that there was never so much.
            if (e.code() != ErrorCode.PRECONDITION_FAILED) {
                throw e;
            }
            Check.that(false, "%s", e);
        }
        ids.add(next);
        seen = 0;
        server.node()
                .simulation()
                .probe(ids.size() == 2 ? "failover-rewound" : "failover-rewound-again");
    }

    /** What must hold of each timeline at any moment. */
    private void check(Timeline timeline) {
        RuntimeException failure = timeline.failure();
        if (failure != null) {
            Check.that(false, "the timeline stopped: %s", failure);
        }
        long oldest = timeline.oldestReadableLsn();
        // In this order: of what is up to here the history tells the truth, whatever comes.
        long last = timeline.lastRecordLsn();
        ReferencePageserver reference = cluster.reference(timeline.walHistory());
        Check.that(timeline.diskConsistentLsn() <= last, "durable past the last record");
        if (timeline.id().equals(current())) {
            Watermarks.of(server, timeline);
            seen = Math.max(seen, last);
        }
        if (last < oldest) {
            return;
        }
        cluster.imported(oldest);
        long lsn = random.nextBoolean() ? last : oldest + random.nextLong(last - oldest + 1);
        reference.compareSome(timeline, random.nextInt(1 << 20), lsn);
    }

    private void compareAll(Tenants tenants) {
        long pages = 0;
        for (TimelineId id : ids) {
            Timeline timeline = tenants.timeline(TENANT, id);
            long last = timeline.lastRecordLsn();
            long oldest = timeline.oldestReadableLsn();
            ReferencePageserver reference = cluster.reference(timeline.walHistory());
            pages += reference.compareAll(timeline, last);
            for (int i = 0; i < 3; i++) {
                long lsn = i == 0 ? oldest : oldest + random.nextLong(last - oldest + 1);
                pages += reference.compareAll(timeline, lsn);
            }
        }
        server.note("compared", pages + " pages");
    }

    /** All was flushed by the orderly stop; the source is gone. */
    void compareAfterRestart() {
        Tenants tenants = load();
        Timeline timeline = tenants.timeline(TENANT, current());
        Check.that(
                timeline.lastRecordLsn() == cluster.walEnd(),
                "after an orderly stop at %s there is WAL up to %s",
                Lsn.toString(cluster.walEnd()),
                Lsn.toString(timeline.lastRecordLsn()));
        compareAll(tenants);
        tenants.close();
    }
}
