package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.check.Receiving;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.sim.workload.Line.Presence;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineState;
import io.palimpsest.timeline.WalSource;
import io.palimpsest.timeline.WalWriting;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableSet;
import org.jspecify.annotations.Nullable;

/** Who uses a page server between its start and its end, and what they insist on. */
final class StorageClients {
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1000 * MILLIS;
    private static final long CATCH_UP_NANOS = 600 * SECOND;

    private final StorageRun run;
    private final Tenants tenants;
    private final Prng random;
    private final Machine server;
    private final StorageKeeping keeping;
    private final List<Tasks.Task> others = new ArrayList<>();

    StorageClients(StorageRun run, Tenants tenants) {
        this.run = run;
        this.tenants = tenants;
        random = run.random();
        server = run.server();
        keeping = new StorageKeeping(run, tenants, this, others);
    }

    /** Goes on until it is to end; the last time, until all that was written has arrived. */
    void live() {
        if (!importMain()) {
            return;
        }
        settle();
        run.lines().forEach(this::startFeeder);
        long deadline = server.clock().monotonicNanos() + CATCH_UP_NANOS;
        while (run.last() ? !allArrived() : !run.ending()) {
            act();
            server.tasks().sleep(random.nextLong(20 * MILLIS));
            if (run.last() && server.clock().monotonicNanos() > deadline) {
                Check.that(
                        false,
                        "not caught up: %s",
                        there().stream().map(this::where).toList().toString());
            }
        }
        others.forEach(Tasks.Task::join);
        while (run.full()) {
            server.tasks().sleep(SECOND / 10);
        }
    }

    /** The main timeline is there, imported as often as it takes; false if it is not to be had. */
    private boolean importMain() {
        WalSource from =
                WalSource.parse("host=postgres port=" + SimPostgres.PORT + " user=sim", "sim");
        Line main = run.main();
        while (!run.ending()) {
            try {
                Timeline t =
                        main.there()
                                ? tenants.timeline(StorageRun.TENANT, main.id)
                                : tenants.createFromSource(StorageRun.TENANT, main.id, from);
                made(main, t);
                return true;
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.CONFLICT) {
                    // It is there, or an import goes on that a loss of power had broken off.
                    main.presence = isThere(main) ? Presence.THERE : main.presence;
                } else if (e.code() == ErrorCode.CORRUPTION && run.readsMayFail()) {
                    return false;
                } else if (e.code() != ErrorCode.IO && !run.lacksRoom(e)) {
                    throw e;
                }
                server.tasks().sleep(SECOND / 10);
            }
        }
        return false;
    }

    private boolean isThere(Line line) {
        try {
            return tenants.timeline(StorageRun.TENANT, line.id) != null;
        } catch (PageserverException e) {
            return false;
        }
    }

    private void made(Line line, Timeline t) {
        line.presence = Presence.THERE;
        if (line.firstCutoff == 0) {
            line.firstCutoff = t.oldestReadableLsn();
        }
    }

    /** What a loss of power has left open is decided now; what was promised must be there. */
    void settle() {
        for (Line line : run.lines()) {
            try {
                Timeline t = tenants.timeline(StorageRun.TENANT, line.id);
                Check.that(line.presence != Presence.GONE, "%s is there again", line);
                made(line, t);
                if (t.state() instanceof TimelineState.Archived) {
                    tenants.unarchive(StorageRun.TENANT, line.id);
                }
                check(line, t);
            } catch (PageserverException e) {
                if (failed(e)) {
                    continue;
                }
                if (e.code() != ErrorCode.NOT_FOUND || line.there()) {
                    throw e;
                }
                line.presence = Presence.GONE;
            }
        }
    }

    /** The timeline, or null if a fault keeps it from being served. */
    @Nullable Timeline timeline(Line line) {
        try {
            return tenants.timeline(StorageRun.TENANT, line.id);
        } catch (PageserverException e) {
            if (failed(e)) {
                return null;
            }
            throw e;
        }
    }

    private List<Line> there() {
        return run.lines().stream().filter(Line::there).toList();
    }

    private Line any() {
        List<Line> all = there();
        return all.get(random.nextInt(all.size()));
    }

    private boolean allArrived() {
        for (Line line : there()) {
            SimWalSource wal = line.wal;
            Timeline t = timeline(line);
            if (wal != null && (line.records > 0 || t == null || t.lastRecordLsn() < wal.end())) {
                return false;
            }
        }
        return true;
    }

    private String where(Line line) {
        Timeline t = timeline(line);
        SimWalSource wal = line.wal;
        return line
                + " at "
                + (t == null ? "nothing" : Lsn.toString(t.lastRecordLsn()))
                + " of "
                + (wal == null ? "nothing" : Lsn.toString(wal.end()))
                + ", records to come: "
                + line.records;
    }

    // ---- what they do ----

    private void act() {
        for (Line line : there()) {
            Timeline t = timeline(line);
            if (t != null) {
                check(line, t);
                run.mischief(t);
            }
        }
        switch (run.clients().next(random)) {
            case BRANCH -> branch();
            case ASK -> ask();
            case LEASE -> keeping(StorageKeeping::lease);
            case POINT -> keeping(StorageKeeping::point);
            case CHANGE -> change();
            case FILL -> {
                if (run.fillsDisk()) {
                    run.fillDisk();
                }
            }
            case READ -> read();
        }
    }

    /** A branch is deleted, detached, or archived and taken back. */
    private void change() {
        Line line = any();
        boolean main = line == run.main();
        boolean hasBranches = run.lines().stream().anyMatch(line::mayHave);
        int what = random.nextInt(4);
        if (random.oneIn(12)) {
            run.losePowerSoon();
        }
        try {
            if (main && what > 0) {
                archive(line);
            } else if (main) {
                return;
            } else if (what == 0) {
                line.presence = Presence.BEING_DELETED;
                tenants.delete(StorageRun.TENANT, line.id);
                line.presence = Presence.GONE;
            } else if (what == 1) {
                detach(line);
            } else if (line.workload == null && !hasBranches) {
                archive(line);
            }
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.PRECONDITION_FAILED && hasBranches) {
                line.presence = Presence.THERE;
                run.probe("change-refused");
            } else if (run.lacksRoom(e)) {
                // Nothing was done.
                line.presence = Presence.THERE;
                run.probe("change-without-room");
            } else if (e.code() == ErrorCode.CONFLICT) {
                // What was broken off goes on with it.
                line.presence = Presence.THERE;
                run.probe("change-while-busy");
            } else if (!failed(e)) {
                throw e;
            }
        }
    }

    /** It gets what its ancestors have kept for it, and perhaps its siblings. */
    private void detach(Line line) {
        Timeline t = timeline(line);
        boolean siblings = random.nextBoolean();
        if (t == null) {
            return;
        }
        Timeline ancestor = t.ancestor();
        line.reachesBack |= ancestor != null;
        if (siblings && ancestor != null) {
            for (Line other : there()) {
                Timeline o = other == line ? null : timeline(other);
                if (o != null
                        && ancestor.equals(o.ancestor())
                        && o.ancestorLsn() <= t.ancestorLsn()) {
                    other.perhapsOn.add(line);
                }
            }
        }
        if (siblings && random.oneIn(4)) {
            run.losePowerSoon();
        }
        long before = t.oldestReadableLsn();
        Tasks.Task meanwhile = siblings ? keeping.maybeCollect(t) : null;
        List<TimelineId> hung = tenants.detach(StorageRun.TENANT, line.id, siblings);
        Check.that(t.ancestor() == null, "%s is not detached", line);
        if (t.oldestReadableLsn() < before) {
            run.probe("history-taken-over");
        }
        for (Line other : there()) {
            Timeline o = timeline(other);
            if (o != null && hung.contains(other.id)) {
                Check.that(t.equals(o.ancestor()), "%s does not hang on %s", other, line);
                run.probe("branch-reparented");
                keeping.readAgain(other, o, o.ancestorLsn(), t, meanwhile);
            } else if (o != null && siblings && ancestor != null && ancestor.equals(o.ancestor())) {
                Check.that(
                        o.ancestorLsn() > line.branchLsn,
                        "%s stays where it was, though %s has its history",
                        other,
                        line);
            }
        }
    }

    private void archive(Line line) {
        tenants.archive(StorageRun.TENANT, line.id);
        server.tasks().sleep(random.nextLong(20 * MILLIS));
        unarchive(line);
    }

    private void unarchive(Line line) {
        while (true) {
            try {
                tenants.unarchive(StorageRun.TENANT, line.id);
                return;
            } catch (PageserverException e) {
                if (!run.lacksRoom(e) && e.code() != ErrorCode.CONFLICT) {
                    throw e;
                }
                server.tasks().sleep(SECOND / 10);
            }
        }
    }

    private void branch() {
        Line ancestor = any();
        Timeline t = timeline(ancestor);
        if (there().size() >= run.clients().mostTimelines() || t == null) {
            return;
        }
        long oldest = t.oldestReadableLsn();
        long last = t.lastRecordLsn();
        long lsn = oldest > last ? last : oldest + random.nextLong(last - oldest + 1) & -8;
        if (ancestor.ancestor == null && random.oneIn(8)) {
            lsn -= random.nextInt(100_000);
        }
        boolean written = false;
        if (ancestor.workload != null && oldest <= last && random.nextBoolean()) {
            NavigableSet<Long> ends =
                    ancestor.workload.recordEnds().subSet(oldest, true, last, true);
            written = !ends.isEmpty();
            lsn = written ? new ArrayList<>(ends).get(random.nextInt(ends.size())) : lsn;
        }
        boolean close = oldest <= last && run.closeToCutoff();
        if (close) {
            written = false;
            // Below its own branch point a branch's ancestor would be asked.
            lsn = Math.max(ancestor.branchLsn, Math.min(last, run.closeTo(oldest)));
        }
        boolean refused = lsn < oldest && !t.retention().readable(Lsn.align(lsn));
        Line line = run.newLine(ancestor, Lsn.align(lsn), written);
        Tasks.Task meanwhile = keeping.maybeCollect(t);
        try {
            Timeline made =
                    tenants.createBranch(StorageRun.TENANT, line.id, ancestor.id, line.branchLsn);
            Check.that(!refused, "a branch below the cutoff, at %s", Lsn.toString(line.branchLsn));
            made(line, made);
            run.probe(ancestor.ancestor == null ? "branch-made" : "branch-of-branch-made");
            if (close) {
                run.probe("branch-at-cutoff");
                keeping.readAgain(line, made, line.branchLsn, t, meanwhile);
            }
            startFeeder(line);
        } catch (PageserverException e) {
            line.presence = Presence.GONE;
            boolean below = e.code() == ErrorCode.LSN_OUT_OF_RANGE;
            Check.that(
                    below ? line.branchLsn < t.oldestReadableLsn() : run.ending() || mayFail(e),
                    "a branch at %s, which is legal, is refused: %s",
                    Lsn.toString(line.branchLsn),
                    e.toString());
            run.probe(below ? "branch-refused" : "branch-failed");
            if (below && !refused) {
                run.probe("branch-too-late");
            }
        }
    }

    boolean failed(PageserverException e) {
        return run.readsMayFail() && (e.code() == ErrorCode.IO || e.code() == ErrorCode.CORRUPTION);
    }

    /** It changes what is on the disk, which may be full. */
    boolean mayFail(PageserverException e) {
        return failed(e) || run.lacksRoom(e);
    }

    /** Work that somebody asks for. */
    private void ask() {
        Line line = any();
        Timeline t = timeline(line);
        if (t == null) {
            return;
        }
        try {
            switch (random.nextInt(3)) {
                case 0 -> tenants.housekeeper().compactNow(t);
                case 1 -> tenants.housekeeper().runToQuiescence(t);
                default -> t.flushUpTo(t.lastRecordLsn());
            }
        } catch (PageserverException e) {
            if (!mayFail(e)) {
                throw e;
            }
        }
    }

    /** A line's history is to be kept, if the line is served. */
    private void keeping(Keeping deed) {
        Line line = any();
        Timeline t = timeline(line);
        if (t != null && t.oldestReadableLsn() <= t.lastRecordLsn()) {
            deed.act(keeping, line, t);
        }
    }

    /** What is done to keep some of it. */
    private interface Keeping {
        void act(StorageKeeping keeping, Line line, Timeline t);
    }

    private void read() {
        Line line = any();
        Timeline t = timeline(line);
        if (t == null) {
            return;
        }
        long oldest = t.oldestReadableLsn();
        long last = t.lastRecordLsn();
        if (oldest > last) {
            return;
        }
        long lsn =
                switch (random.nextInt(8)) {
                    case 0, 1 -> last;
                    case 2, 3 -> oldest;
                    case 4 -> oldest - 1 - random.nextInt(1 + random.nextInt(200_000));
                    case 5 -> keeping.held(line, oldest, last);
                    default -> oldest + random.nextLong(last - oldest + 1);
                };
        readAt(line, t, lsn, () -> line.reference.compareSome(t, random.nextInt(1 << 20), lsn));
    }

    /** What is legal must succeed, what is not must be refused. */
    void readAt(Line line, Timeline t, long lsn, Runnable comparison) {
        long oldest = t.oldestReadableLsn();
        boolean legal = t.retention().readable(lsn);
        try {
            Check.that(t.effectiveLsn(lsn, 0) == lsn, "another LSN is read than asked for");
            comparison.run();
            if (t.diskFull() != null) {
                run.probe("read-while-full");
            }
            Check.that(
                    legal,
                    "a read of %s below its cutoff, at %s, is answered",
                    line,
                    Lsn.toString(lsn));
            if (lsn == oldest) {
                run.probe("read-at-cutoff");
            } else if (lsn < oldest && line.leased(lsn, server.clock().wallMillis())) {
                run.probe("read-of-lease");
            } else if (lsn < oldest && line.pins.containsValue(lsn)) {
                run.probe("read-of-pin");
            }
            Line ancestor = line.ancestor;
            if (ancestor != null) {
                run.probe("read-on-branch");
                Timeline parent = ancestor.there() ? timeline(ancestor) : null;
                if (parent != null && parent.oldestReadableLsn() > line.branchLsn) {
                    run.probe("read-below-the-ancestors-cutoff");
                }
            }
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.LSN_OUT_OF_RANGE) {
                Check.that(
                        lsn < t.oldestReadableLsn() && !line.kept(lsn, server.clock().wallMillis()),
                        "a legal read of %s is refused: %s",
                        line,
                        e.toString());
                run.probe("read-refused");
            } else if (failed(e)) {
                run.probe("read-failed");
            } else {
                throw e;
            }
        }
    }

    // ---- a branch's WAL ----

    private void startFeeder(Line line) {
        WalWorkload workload = line.workload;
        SimWalSource wal = line.wal;
        Timeline t = line.there() && line != run.main() ? timeline(line) : null;
        if (t != null && workload != null && wal != null) {
            others.add(
                    server.tasks()
                            .spawn(
                                    Tasks.Lane.LATENCY,
                                    "feeder of " + line.id,
                                    () -> feed(line, t, workload, wal)));
        }
    }

    private void feed(Line line, Timeline t, WalWorkload workload, SimWalSource wal) {
        byte[] piece = new byte[1 << 16];
        while (line.there() && !run.ending()) {
            try {
                WalWriting writing = new WalWriting(t, run.limits(), t.lastRecordLsn());
                while (line.there() && !run.ending()) {
                    if (line.records > 0) {
                        workload.write();
                        line.records--;
                        run.probe("branch-written");
                    }
                    int n = wal.read(writing.position(), piece, 0, 1 + random.nextInt(1 << 16));
                    writing.write(writing.position(), piece, 0, n);
                    if (random.oneIn(16)) {
                        t.flushUpTo(t.lastRecordLsn());
                    }
                    wal.acknowledge(Math.min(writing.position(), t.diskConsistentLsn()));
                    if (run.last() && line.records == 0 && writing.position() == wal.end()) {
                        return;
                    }
                    server.tasks().sleep(1 + random.nextLong(20 * MILLIS));
                }
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.SHUTTING_DOWN) {
                    return;
                }
                if (!mayFail(e)) {
                    throw e;
                }
                server.tasks().sleep(SECOND / 10);
            }
        }
    }

    // ---- what must hold at any time ----

    private void check(Line line, Timeline t) {
        long cutoff = t.oldestReadableLsn();
        long durable = t.diskConsistentLsn();
        long last = t.lastRecordLsn();
        if (cutoff < line.cutoff) {
            Check.that(
                    line.reachesBack,
                    "the cutoff goes back from %s to %s",
                    Lsn.toString(line.cutoff),
                    Lsn.toString(cutoff));
            line.reachesBack = false;
        }
        line.cutoff = cutoff;
        Check.that(
                durable >= line.durable,
                "durable was %s, is %s",
                Lsn.toString(line.durable),
                Lsn.toString(durable));
        line.durable = durable;
        Check.that(durable <= last, "durable past the last record of %s", line);
        long highest = Math.max(line.firstCutoff, Math.min(last, policy(line, last)));
        Check.that(
                cutoff <= highest,
                "the cutoff is %s, by policy it is %s at most",
                Lsn.toString(cutoff),
                Lsn.toString(highest));
        SimWalSource wal = line.wal;
        if (wal != null) {
            Check.that(
                    wal.keptFrom() <= durable,
                    "%s was acknowledged, durable is %s",
                    Lsn.toString(wal.keptFrom()),
                    Lsn.toString(durable));
        }
        if (!run.readsMayFail()) {
            checkHealth(line, t);
        }
    }

    /** The highest cutoff that leaves what the configuration promises. */
    private long policy(Line line, long last) {
        long pitr = run.config().pitrIntervalNanos();
        if (pitr == 0) {
            // Counted from what has arrived, though a loss of power may have taken it back.
            long end = line.wal == null ? last : line.wal.end();
            return end - run.config().gcHorizonBytes();
        }
        return line.workload == null
                ? line.branchLsn
                : line.workload.lsnAt(server.clock().wallMillis() - pitr / MILLIS);
    }

    private void checkHealth(Line line, Timeline t) {
        if (line == run.main()) {
            Watermarks.of(server, t);
        }
        if (!run.wasFull()) {
            long failures = tenants.housekeeper().counters().failures();
            Check.that(failures == 0, "%d jobs have failed, and no fault is to blame", failures);
        }
        RuntimeException failure = t.failure();
        if (failure != null) {
            Check.that(false, "%s stopped: %s", line, failure.toString());
        }
        if (line == run.main()) {
            Receiving.check(tenants.receiver(StorageRun.TENANT, line.id));
        }
    }

    // ---- the end ----

    /** Background work comes to rest, and then there is none left. */
    void rest() {
        for (Line line : there()) {
            Timeline t = tenants.timeline(StorageRun.TENANT, line.id);
            awaitRoom(line, t);
            t.flushUpTo(t.lastRecordLsn());
            tenants.housekeeper().reset(t);
            tenants.housekeeper().runToQuiescence(t);
            long debt = tenants.housekeeper().debt(t).bytes();
            Check.that(debt == 0, "%d bytes of compaction are left for %s", debt, line);
        }
    }

    /** Where there is room again the timeline notices by itself. */
    private void awaitRoom(Line line, Timeline t) {
        long deadline = server.clock().monotonicNanos() + CATCH_UP_NANOS;
        while (t.diskFull() != null) {
            Check.that(
                    server.clock().monotonicNanos() < deadline,
                    "%s waits for room that there is: %s",
                    line,
                    t.diskFull());
            server.tasks().sleep(SECOND / 10);
        }
    }

    void compareAll() {
        for (Line line : there()) {
            Timeline t = tenants.timeline(StorageRun.TENANT, line.id);
            SimWalSource wal = line.wal;
            if (wal != null) {
                Check.that(
                        t.lastRecordLsn() == wal.end(),
                        "there is WAL up to %s, expected %s",
                        Lsn.toString(t.lastRecordLsn()),
                        Lsn.toString(wal.end()));
            }
            for (long pinned : line.pins.values()) {
                readAt(line, t, pinned, () -> line.reference.compareAll(t, pinned));
            }
            long oldest = t.oldestReadableLsn();
            long last = t.lastRecordLsn();
            for (int i = 0; i < 4 && oldest <= last; i++) {
                long lsn =
                        switch (i) {
                            case 0 -> last;
                            case 1 -> oldest;
                            default -> oldest + random.nextLong(last - oldest + 1);
                        };
                readAt(line, t, lsn, () -> line.reference.compareAll(t, lsn));
            }
        }
    }
}
