package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.compaction.CompactionDebt;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.tenant.Chores.Errand;
import io.palimpsest.tenant.Chores.Kind;
import io.palimpsest.timeline.GarbageCollector;
import io.palimpsest.timeline.Housekeeping;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Timeline;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Does the background work of all timelines of the server, one job after the other, in one task.
 * What is most urgent comes first, whichever timeline it is of:
 *
 * <ol>
 *   <li>L0s are merged, where most of them lie about: every read looks into each;
 *   <li>garbage is collected, which costs little;
 *   <li>images are created, or history is dropped, or the few L0s of a timeline at rest are merged,
 *       whichever waits longest: a server that is never done with the one must not put off the
 *       other for ever.
 * </ol>
 *
 * Images and history give way between two layers that are written once some timeline has L0s enough
 * to be merged. Timelines that nothing happens to are not looked at. Each job is one commit; what
 * is cut short is planned anew.
 */
public final class Housekeeper implements Housekeeping {
    // Why this file is long: one monitor and one task stand behind three doors, of some lines a
    // method each: what timelines tell, what people ask for, and what is done; the jobs themselves
    // are elsewhere.
    /** Flushes wait while there are this many times the L0s that are worth a merge. */
    private static final int STALL_FACTOR = 3;

    private static final long SECOND = 1_000_000_000L;

    /** Those of which the one that waits longest is done. */
    private static final List<Kind> LATER = List.of(Kind.IMAGES, Kind.HISTORY, Kind.REST);

    private record Name(TenantShardId tenant, TimelineId timeline) implements Comparable<Name> {
        static Name of(Timeline timeline) {
            return new Name(timeline.tenant(), timeline.id());
        }

        @Override
        public int compareTo(Name o) {
            int c = tenant.compareTo(o.tenant);
            return c != 0 ? c : timeline.compareTo(o.timeline);
        }
    }

    /** What somebody asked for and waits for. */
    private static final class Request {
        final Chores chores;
        final Consumer<Chores> body;
        final @Nullable Operation operation;
        boolean done;
        @Nullable RuntimeException failure;

        Request(Chores chores, Consumer<Chores> body, @Nullable Operation operation) {
            this.chores = chores;
            this.body = body;
            this.operation = operation;
        }

        boolean stopping() {
            return operation != null && operation.isStopping();
        }
    }

    private final Environment environment;
    private final BackgroundCounters counters = new BackgroundCounters();
    private final BackgroundJobs jobs;

    /** Guards what follows; waited on by the task for work, and by others for the task. */
    private final Monitor monitor;

    private final TreeMap<Name, Chores> known = new TreeMap<>();

    /** Those of them there is something to do for, now or later. */
    private final TreeMap<Name, Chores> active = new TreeMap<>();

    private final ArrayDeque<Request> requests = new ArrayDeque<>();

    private volatile boolean stopped;
    private Tasks.@Nullable Task task;

    /** Whose job runs. */
    private volatile @Nullable Chores current;

    /** What is being done of what somebody has asked for; only the task looks at it. */
    private @Nullable Request serving;

    public Housekeeper(Environment environment, Limits limits) {
        this.environment = environment;
        this.jobs =
                new BackgroundJobs(environment, limits, counters, this::check, this::mergeWaits);
        this.monitor = environment.tasks().monitor("housekeeper");
    }

    /** Begins to work. Once. */
    public void start() {
        task = environment.tasks().spawn(Lane.BACKGROUND, "housekeeper", this::run);
    }

    /** Ends the work: a job under way stops within one portion of I/O and leaves nothing behind. */
    public void stop() {
        monitor.lock();
        try {
            stopped = true;
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
        Tasks.Task running = task;
        if (running != null) {
            running.cancel();
            running.join();
        }
    }

    public BackgroundCounters.Snapshot counters() {
        return counters.snapshot();
    }

    // ---- what timelines tell ----

    @Override
    public void flushed(Timeline timeline) {
        counters.flushes.incrementAndGet();
        long now = now();
        monitor.lock();
        try {
            Chores chores = chores(timeline);
            chores.flushed(now);
            wake(chores);
        } finally {
            monitor.unlock();
        }
    }

    @Override
    public void changed(Timeline timeline) {
        long now = now();
        monitor.lock();
        try {
            Chores chores = chores(timeline);
            chores.changed(now);
            wake(chores);
        } finally {
            monitor.unlock();
        }
    }

    @Override
    public void makeRoom(Timeline timeline) {
        monitor.lock();
        try {
            Chores chores = chores(timeline);
            if (!stopped && chores.holdsBack(STALL_FACTOR)) {
                counters.stalls.incrementAndGet();
                chores.wantMerge(now());
                wake(chores);
            }
            while (!stopped && chores.holdsBack(STALL_FACTOR)) {
                monitor.await(SECOND);
            }
        } finally {
            monitor.unlock();
        }
    }

    /**
     * No more work for this timeline, which is about to be closed, whatever it still flushes, until
     * {@link #forget}. Waits until none is done.
     */
    public void dismiss(Timeline timeline) {
        monitor.lock();
        try {
            Chores chores = chores(timeline);
            active.remove(Name.of(timeline));
            chores.gone = true;
            monitor.signalAll();
            while (current == chores) {
                monitor.await();
            }
        } finally {
            monitor.unlock();
        }
    }

    /**
     * It is closed; or it stays after all, and there is work again when something happens to it.
     */
    public void forget(Timeline timeline) {
        monitor.lock();
        try {
            Chores _ = known.remove(Name.of(timeline));
        } finally {
            monitor.unlock();
        }
    }

    private Chores chores(Timeline timeline) {
        return known.computeIfAbsent(Name.of(timeline), _ -> new Chores(timeline, now()));
    }

    private void wake(Chores chores) {
        if (!chores.idle()) {
            active.put(Name.of(chores.timeline), chores);
            monitor.signalAll();
        }
    }

    // ---- what people ask for ----

    /**
     * Merges all L0s, creates all images and drops all garbage and history there is any use in,
     * whatever the thresholds and periods say; the cutoff stays where it is.
     *
     * @throws PageserverException what went wrong; SHUTTING_DOWN if it was cut short; CORRUPTION
     *     naming the layers that all was done without
     */
    public void compactNow(Timeline timeline) {
        compactNow(timeline, null);
    }

    /** The same; CANCELLED if that operation is to stop, and then what was done stays. */
    public void compactNow(Timeline timeline, @Nullable Operation operation) {
        ask(timeline, chores -> compactAll(chores, eager(timeline.config())), operation);
        requireWhole(timeline);
    }

    /**
     * Merges all L0s, however few there are; images and history are left to the thresholds. Fails
     * as {@link #compactNow} does.
     */
    public void mergeNow(Timeline timeline) {
        mergeNow(timeline, null);
    }

    /** The same; CANCELLED if that operation is to stop, and then what was done stays. */
    public void mergeNow(Timeline timeline, @Nullable Operation operation) {
        TenantConfig config = eager(timeline.config());
        ask(
                timeline,
                chores -> {
                    while (jobs.compact(chores, Kind.MERGE, config, true)) {
                        mergeMeanwhile();
                    }
                },
                operation);
        requireWhole(timeline);
    }

    private static void requireWhole(Timeline timeline) {
        Set<LayerName> damaged = timeline.damaged().names();
        if (!damaged.isEmpty()) {
            throw PageserverException.corruption(
                    "timeline %s was compacted without damaged layers: %s", timeline.id(), damaged);
        }
    }

    private void compactAll(Chores chores, TenantConfig config) {
        boolean more = true;
        while (more) {
            mergeMeanwhile();
            long cutoff = chores.timeline.oldestReadableLsn();
            more =
                    jobs.compact(chores, Kind.MERGE, config, true)
                            || jobs.compact(chores, Kind.IMAGES, config, true)
                            || jobs.collect(chores, cutoff).layers() > 0
                            || jobs.compact(chores, Kind.HISTORY, config, true);
        }
    }

    private static TenantConfig eager(TenantConfig c) {
        return new TenantConfig(
                c.pitrIntervalNanos(),
                c.gcHorizonBytes(),
                c.gcPeriodNanos(),
                c.compactionPeriodNanos(),
                1,
                c.compactionUpperLimit(),
                c.compactionTargetBytes(),
                1,
                c.leaseNanos());
    }

    /** Collects garbage as the policy has it. Fails as {@link #compactNow} does. */
    public GarbageCollector.Result gcNow(Timeline timeline) {
        return gc(timeline, timeline.planCutoff());
    }

    /**
     * Collects garbage.
     *
     * @param horizonBytes WAL before the last record that stays readable
     */
    public GarbageCollector.Result gcNow(Timeline timeline, long horizonBytes) {
        long cutoff = Math.max(0, timeline.lastRecordLsn() - horizonBytes);
        return gc(timeline, Math.min(cutoff, timeline.diskConsistentLsn()));
    }

    private GarbageCollector.Result gc(Timeline timeline, long cutoff) {
        if (!timeline.collects()) {
            throw leftAlone(timeline);
        }
        List<GarbageCollector.Result> result = new ArrayList<>();
        ask(timeline, chores -> result.add(jobs.collect(chores, cutoff)), null);
        return result.getFirst();
    }

    /**
     * Works on the timeline until there is nothing left to do by its thresholds, periods aside; it
     * is not taken to be at rest. Fails as {@link #compactNow} does.
     */
    public void runToQuiescence(Timeline timeline) {
        runToQuiescence(timeline, null);
    }

    /** The same; CANCELLED if that operation is to stop, and then what was done stays. */
    public void runToQuiescence(Timeline timeline, @Nullable Operation operation) {
        ask(timeline, this::doAll, operation);
        requireWhole(timeline);
    }

    private void doAll(Chores chores) {
        boolean more = true;
        while (more) {
            more = false;
            for (Kind kind : Kind.values()) {
                mergeMeanwhile();
                more |= kind != Kind.REST && jobs.run(chores, kind, true);
            }
        }
    }

    /** Flushes may be waiting for merges: those that are due come between the jobs of a request. */
    private void mergeMeanwhile() {
        Chores asked = current;
        while (true) {
            Chores due;
            monitor.lock();
            try {
                due = mostUrgent(Kind.MERGE, now());
                if (due == null) {
                    current = asked;
                    return;
                }
                due.errand(Kind.MERGE).done();
                current = due;
            } finally {
                monitor.unlock();
            }
            attempt(due, Kind.MERGE);
        }
    }

    private static PageserverException leftAlone(Timeline timeline) {
        return PageserverException.of(
                ErrorCode.PRECONDITION_FAILED,
                "this server does not own timeline %s alone: nothing goes there before its tenant is AttachedSingle",
                timeline.id());
    }

    /** Has the task do it, and waits. */
    private void ask(Timeline timeline, Consumer<Chores> body, @Nullable Operation operation) {
        if (!timeline.owned()) {
            throw leftAlone(timeline);
        }
        Request request;
        monitor.lock();
        try {
            request = new Request(chores(timeline), body, operation);
            requests.addLast(request);
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
        if (operation == null) {
            await(request);
        } else {
            try (Operation.Interruption _ = operation.interruptedBy(() -> withdraw(request))) {
                await(request);
            } finally {
                withdraw(request);
            }
        }
        if (!request.done) {
            throw PageserverException.of(ErrorCode.SHUTTING_DOWN, "shutting down");
        }
        RuntimeException failure = request.failure;
        if (failure != null) {
            throw failure;
        }
    }

    private void await(Request request) {
        monitor.lock();
        try {
            while (!request.done && !stopped) {
                monitor.await();
            }
        } finally {
            monitor.unlock();
        }
    }

    /** It is to stop: at once if it has not begun, else at the next portion of I/O. */
    private void withdraw(Request request) {
        monitor.lock();
        try {
            if (requests.remove(request)) {
                request.failure = given();
                request.done = true;
                monitor.signalAll();
            }
        } finally {
            monitor.unlock();
        }
    }

    private static PageserverException given() {
        return PageserverException.of(ErrorCode.CANCELLED, "it is to stop");
    }

    /** What lies ahead for the timeline's layers. */
    public CompactionDebt debt(Timeline timeline) {
        return jobs.debt(timeline);
    }

    /** Kinds of work that are off for the timeline because they failed again and again. */
    public List<String> broken(Timeline timeline) {
        monitor.lock();
        try {
            Chores chores = known.get(Name.of(timeline));
            List<String> off = new ArrayList<>();
            for (Kind kind : Kind.values()) {
                if (chores != null && chores.errand(kind).breaker.off()) {
                    off.add(kind.toString().toLowerCase(Locale.ROOT));
                }
            }
            return off;
        } finally {
            monitor.unlock();
        }
    }

    /** Work that is off for the timeline is tried again, and with all layers. */
    public void reset(Timeline timeline) {
        long now = now();
        timeline.damaged().forget();
        monitor.lock();
        try {
            Chores chores = chores(timeline);
            for (Kind kind : Kind.values()) {
                chores.errand(kind).breaker.reset();
            }
            chores.changed(now);
            wake(chores);
        } finally {
            monitor.unlock();
        }
    }

    // ---- the task ----

    private void run() {
        try {
            while (true) {
                Runnable next = next();
                if (next == null) {
                    return;
                }
                next.run();
                idle();
                // It may never have to wait: what flushes must come to its turn nevertheless.
                environment.tasks().yieldPoint();
            }
        } catch (Tasks.Cancelled e) {
            // Only stop() cancels.
            idle();
        }
    }

    private void idle() {
        monitor.lock();
        try {
            current = null;
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
    }

    /** Waits for something to do; null: stop. */
    private @Nullable Runnable next() {
        monitor.lock();
        try {
            while (!stopped) {
                Request request = requests.pollFirst();
                if (request != null) {
                    current = request.chores;
                    return () -> serve(request);
                }
                long now = now();
                active.values().removeIf(Chores::idle);
                Due due = mostUrgent(now);
                if (due != null) {
                    due.chores.errand(due.kind).done();
                    current = due.chores;
                    return () -> attempt(due.chores, due.kind);
                }
                long dueAt = Chores.NEVER;
                for (Chores waiting : active.values()) {
                    dueAt = Math.min(dueAt, waiting.dueAt(now));
                }
                if (dueAt == Chores.NEVER) {
                    monitor.await();
                } else {
                    boolean _ = monitor.await(Math.max(1, dueAt - now));
                }
            }
            return null;
        } finally {
            monitor.unlock();
        }
    }

    private record Due(Kind kind, Chores chores) {}

    /** What is to be done next, or null if nothing is due. */
    private @Nullable Due mostUrgent(long now) {
        for (Kind kind : List.of(Kind.MERGE, Kind.COLLECT)) {
            Chores chores = mostUrgent(kind, now);
            if (chores != null) {
                return new Due(kind, chores);
            }
        }
        Due longest = null;
        for (Kind kind : LATER) {
            Chores chores = mostUrgent(kind, now);
            if (chores != null
                    && (longest == null
                            || chores.errand(kind).before(longest.chores.errand(longest.kind)))) {
                longest = new Due(kind, chores);
            }
        }
        return longest;
    }

    private @Nullable Chores mostUrgent(Kind kind, long now) {
        Chores best = null;
        for (Chores chores : active.values()) {
            if (chores.due(kind, now) && (best == null || chores.before(best, kind))) {
                best = chores;
            }
        }
        return best;
    }

    private void serve(Request request) {
        serving = request;
        try {
            request.body.accept(request.chores);
        } catch (Tasks.Cancelled e) {
            request.failure =
                    request.stopping()
                            ? given()
                            : PageserverException.of(
                                    ErrorCode.SHUTTING_DOWN, "the timeline is going away");
            if (stopped) {
                throw e;
            }
        } catch (RuntimeException e) {
            stopIfDefect(request.chores.timeline, e);
            request.failure = e;
        } finally {
            serving = null;
            monitor.lock();
            request.done = true;
            monitor.signalAll();
            monitor.unlock();
        }
    }

    private void attempt(Chores chores, Kind kind) {
        Errand errand = chores.errand(kind);
        try {
            boolean more = jobs.run(chores, kind, false);
            monitor.lock();
            try {
                errand.breaker.succeeded();
                plan(chores, kind, more);
            } finally {
                monitor.unlock();
            }
        } catch (Tasks.Cancelled e) {
            if (stopped) {
                throw e;
            }
        } catch (RuntimeException e) {
            failed(chores, kind, e);
        }
    }

    /**
     * What follows from a job of some kind.
     *
     * @param more it has done something
     */
    private void plan(Chores chores, Kind kind, boolean more) {
        long now = now();
        TenantConfig config = chores.timeline.config();
        switch (kind) {
            case MERGE, REST -> {
                if (more) {
                    chores.changed(now);
                }
            }
            case IMAGES -> {
                chores.imagesNotBefore = more ? now : now + config.compactionPeriodNanos();
                if (more) {
                    chores.errand(kind).want(now);
                }
            }
            case COLLECT -> {
                boolean byTime =
                        config.pitrIntervalNanos() > 0
                                        && chores.timeline.oldestReadableLsn()
                                                < chores.timeline.diskConsistentLsn()
                                || !chores.timeline.leases().isEmpty();
                if (config.gcPeriodNanos() > 0 && (more || byTime)) {
                    chores.errand(kind).want(now + config.gcPeriodNanos());
                }
                if (config.compactionPeriodNanos() > 0) {
                    chores.errand(Kind.HISTORY).want(now);
                }
            }
            case HISTORY -> {
                if (more) {
                    chores.errand(kind).want(now);
                }
            }
        }
        wake(chores);
    }

    /** A job of these chores is to go on; Cancelled if not. */
    private void check(Chores chores) {
        Request asked = serving;
        if (stopped || chores.gone || asked != null && asked.chores == chores && asked.stopping()) {
            throw new Tasks.Cancelled();
        }
    }

    /** Are there L0s that ought to be merged before anything else? */
    private boolean mergeWaits() {
        monitor.lock();
        try {
            return mostUrgent(Kind.MERGE, now()) != null;
        } finally {
            monitor.unlock();
        }
    }

    private long now() {
        return environment.clock().monotonicNanos();
    }

    /** A failure of ours and not of the world may have done harm already: it must do no more. */
    private static boolean stopIfDefect(Timeline timeline, RuntimeException e) {
        boolean defect = !(e instanceof PageserverException);
        if (defect && timeline.failure() == null) {
            timeline.fail(e);
        }
        return defect;
    }

    private void failed(Chores chores, Kind kind, RuntimeException e) {
        if (stopIfDefect(chores.timeline, e)) {
            counters.failures.incrementAndGet();
            return;
        }
        boolean waits = e instanceof PageserverException p && p.code() == ErrorCode.NO_SPACE;
        boolean off;
        counters.failures.incrementAndGet();
        monitor.lock();
        try {
            Errand errand = chores.errand(kind);
            off = errand.breaker.failed(now(), !waits);
            errand.want(now());
            wake(chores);
        } finally {
            monitor.unlock();
        }
        environment
                .tracer()
                .event(
                        Event.COMPACTION_FAILED,
                        chores.timeline.subject(),
                        kind + ": " + e.getMessage());
        if (off) {
            environment
                    .tracer()
                    .event(
                            Event.COMPACTION_BROKEN,
                            chores.timeline.subject(),
                            kind + " is off for a day, or until it is reset");
        }
    }
}
