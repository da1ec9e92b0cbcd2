package io.palimpsest.sim.world;

import io.palimpsest.base.Check;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tracer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A world in which one task runs at a time, chosen by a seed, in virtual time.
 *
 * <p>Tasks are virtual threads that pass one baton from hand to hand. The task that waits picks its
 * successor: a random one of those that can run; if none can, time jumps to the next event (an
 * alarm, a device's completion). A step also takes a little time of its own, so that timeouts
 * interleave with work. Everything random comes from streams split off the seed by concern, so that
 * turning one fault off does not shift the others.
 *
 * <p>Tasks change places only where they call a port; data races between such calls are not
 * explored. Code that blocks or spins elsewhere is found by the watchdog: {@link #run} waits on a
 * platform thread and reports what the holder of the baton is at.
 *
 * <p>A simulation runs once. Killed tasks and those left at the end stay parked for ever and are
 * collected as garbage, which the JDK allows only with {@code -Djdk.trackAllThreads=false}.
 */
public final class Simulation {
    /** A deadline that is never reached. */
    public static final long NEVER = Long.MAX_VALUE;

    /** The date when virtual time is 0: 2025-01-01. */
    public static final long EPOCH_MILLIS = 1_735_689_600_000L;

    /** More steps than this without an end is a livelock. */
    private static final long MAX_STEPS = 5_000_000;

    /** A week: whatever waits for longer waits for ever. */
    private static final long MAX_NANOS = 7L * 24 * 3600 * 1_000_000_000;

    private static final int TASKS_LISTED = 50;
    private static final int FRAMES_LISTED = 6;

    /** Classes that say nothing about where a task is. */
    private static final List<String> MACHINERY =
            List.of(
                    Simulation.class.getName(),
                    SimTask.class.getName(),
                    SimMonitor.class.getName(),
                    WaitQueue.class.getName());

    /** A device event. */
    private static final class Call extends Event {
        private final Runnable action;

        Call(Runnable action) {
            this.action = action;
        }

        @Override
        void fire() {
            action.run();
        }
    }

    /**
     * What is asked of a run besides its outcome.
     *
     * @param only the numbers of the faults that may strike ({@link Outcome#faults}); null: all
     * @param records whether all that happens is recorded
     * @param story is told, line by line, all that the trace's hash is made of; null: nobody is
     */
    public record Inspection(
            @Nullable SortedSet<Integer> only, boolean records, @Nullable Consumer<String> story) {
        /** Nothing. */
        public static final Inspection NONE = new Inspection(null, false);

        public Inspection(@Nullable SortedSet<Integer> only, boolean records) {
            this(only, records, null);
        }

        /** The same, and that one is told. */
        public Inspection telling(Consumer<String> listener) {
            return new Inspection(only, records, listener);
        }
    }

    /** How often one that gets no processor looks whether it may go on. */
    private static final long STALL_STEP_NANOS = 100_000;

    private final Scenario scenario;
    private final long seed;
    private final Prng root;
    private final Prng schedule;
    private final long stepNanos;
    private final int yieldOneIn;
    private final int spuriousOneIn;
    private final Faults faults;
    private final @Nullable Recording recording;
    private final Trace trace;
    private final TreeMap<String, Long> probes = new TreeMap<>();
    private final EventHeap events = new EventHeap();
    private final List<Node> nodes = new ArrayList<>();
    private final CountDownLatch ended = new CountDownLatch(1);

    private @Nullable SimTask[] runnable = new SimTask[16];
    private int runnableCount;
    private @Nullable SimTask current;
    private int taskIds;
    private long now;
    private long steps;
    private boolean over;
    private @Nullable SimTask driver;
    private Outcome.@Nullable Failure failure;

    /** Who may run. The volatile write hands everything above over with it. */
    private volatile @Nullable SimTask baton;

    private Simulation(Scenario scenario, long seed, Inspection inspection) {
        this.scenario = scenario;
        this.seed = seed;
        faults = new Faults(inspection.only);
        recording = inspection.records ? new Recording() : null;
        trace = new Trace(inspection.story);
        root = new Prng(seed);
        schedule = root.split("schedule");
        Prng knobs = root.split("schedule knobs");
        stepNanos = 1L + knobs.nextInt(1000);
        yieldOneIn = 1 << knobs.nextInt(6);
        spuriousOneIn = 16 << knobs.nextInt(4);
    }

    /**
     * Runs the scenario to its end. To be called from a platform thread, which is the watchdog.
     *
     * @param patienceMillis a task that runs longer than this (wall time) without calling a port is
     *     a failure
     */
    public static Outcome run(
            Scenario scenario, long seed, long patienceMillis, Inspection inspection) {
        Check.that(
                !Thread.currentThread().isVirtual(),
                "the watchdog must be a platform thread, so that nothing can keep it from running");
        Simulation s = new Simulation(scenario, seed, inspection);
        SimTask driver =
                s.start(s.node("driver"), Tasks.Lane.LATENCY, "scenario", () -> s.scenario.run(s));
        s.runnableCount = 0;
        s.driver = driver;
        s.current = driver;
        s.baton = driver;
        driver.go();
        return s.watch(patienceMillis);
    }

    /** The same with a patience of 20 seconds. */
    public static Outcome run(Scenario scenario, long seed) {
        return run(scenario, seed, 20_000);
    }

    /** The same, and nothing but its outcome is asked for. */
    public static Outcome run(Scenario scenario, long seed, long patienceMillis) {
        return run(scenario, seed, patienceMillis, Inspection.NONE);
    }

    private Outcome watch(long patienceMillis) {
        long seen = -1;
        while (true) {
            boolean done;
            try {
                done = ended.await(patienceMillis, TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while a simulation runs", e);
            }
            if (done) {
                return outcome(failure);
            }
            long moved = steps;
            if (moved == seen) {
                return stuck(patienceMillis);
            }
            seen = moved;
        }
    }

    private Outcome stuck(long patienceMillis) {
        SimTask holder = baton;
        String who = holder == null ? "nobody" : holder.toString();
        List<String> stack = new ArrayList<>();
        if (holder != null) {
            for (StackTraceElement e : holder.thread.getStackTrace()) {
                stack.add("at " + e);
            }
        }
        String what =
                "blocked outside the ports: "
                        + who
                        + " holds the baton and made no step for "
                        + patienceMillis
                        + " ms";
        return outcome(new Outcome.Failure(what, null, stack, trace.lastEvents(), true));
    }

    private Outcome outcome(Outcome.@Nullable Failure why) {
        return new Outcome(
                scenario.name(),
                seed,
                trace.hash(),
                steps,
                now,
                new TreeMap<>(probes),
                faults.struck(),
                recording,
                why);
    }

    /**
     * Counts that something interesting happened. What is never counted over many seeds is not
     * tested by them. Events of the {@link Tracer} are counted by themselves.
     */
    public void probe(String what) {
        probes.merge(what, 1L, Long::sum);
    }

    /**
     * A fault is about to strike: does it? If not, whoever asks goes on as if there were none.
     *
     * @param where the node, or what stands outside of all nodes
     */
    public boolean strikes(String where, String what) {
        return faults.strikes(now, where, what);
    }

    /** For who looks at a recording: how far a node is. */
    public void watermark(Node node, String name, long lsn) {
        if (recording != null) {
            recording.watermark(new Recording.Watermark(now, node.name(), name, lsn));
        }
    }

    public long seed() {
        return seed;
    }

    /** Nanoseconds of virtual time since the start. */
    public long now() {
        return now;
    }

    /** How often a task was picked to run. */
    public long steps() {
        return steps;
    }

    public Trace trace() {
        return trace;
    }

    /** The stream of randomness for a concern: always the same one for the same seed and name. */
    public Prng random(String concern) {
        return root.split(concern);
    }

    /** The node of that name, new if there is none. */
    public Node node(String name) {
        for (Node n : nodes) {
            if (n.name().equals(name)) {
                return n;
            }
        }
        Node n = new Node(this, name, nodes.size());
        nodes.add(n);
        return n;
    }

    /** Now and {@code nanos} later: {@link #NEVER} if that is past all time. */
    public long deadline(long nanos) {
        long d = now + Math.max(0, nanos);
        return d < 0 ? NEVER : d;
    }

    /** Runs the action, which must not wait, after {@code delayNanos}. */
    public void after(long delayNanos, Runnable action) {
        events.add(new Call(action), deadline(delayNanos));
    }

    /** The same unless the node loses its power before. */
    public void after(long delayNanos, Node node, Runnable action) {
        int then = node.incarnation();
        after(
                delayNanos,
                () -> {
                    if (node.incarnation() == then) {
                        action.run();
                    }
                });
    }

    /**
     * Cuts the node's power: none of its tasks runs again, not even a {@code finally}; its devices
     * decide what is left. If the caller is one of its tasks, this does not return.
     */
    public void kill(Node node) {
        Check.that(node.index() != 0, "the driver cannot be killed");
        trace.event(now, node.name() + ": power lost");
        probe("power-lost");
        if (recording != null) {
            recording.mark(new Recording.Mark(now, node.name(), Recording.POWER_LOST, ""));
        }
        SimTask me = current;
        List<SimTask> dead = new ArrayList<>(node.live());
        for (SimTask t : dead) {
            t.killed = true;
            t.parked = false;
            events.remove(t.alarm);
        }
        int kept = 0;
        for (int i = 0; i < runnableCount; i++) {
            SimTask t = runnable[i];
            if (t != null && !t.killed) {
                runnable[kept++] = t;
            }
        }
        Arrays.fill(runnable, kept, runnableCount, null);
        runnableCount = kept;
        node.powerLost();
        for (SimTask t : dead) {
            t.ended();
        }
        if (me != null && me.killed) {
            handOver(me, true);
        }
    }

    /** Ends the simulation at the next step, with a failure. The first one counts. */
    void fail(String what, @Nullable Throwable cause) {
        if (!over) {
            over = true;
            failure = new Outcome.Failure(what, cause, listTasks(), trace.lastEvents(), false);
        }
    }

    /** The task that calls; it must be the one that holds the baton. */
    SimTask current() {
        SimTask t = current;
        if (t == null || t.thread != Thread.currentThread()) {
            throw new IllegalStateException(
                    "a port was called from outside the simulation's tasks, on "
                            + Thread.currentThread());
        }
        return t;
    }

    /** What the current task is called, for messages. */
    public String currentName() {
        SimTask t = current;
        return t == null ? "no task" : t.toString();
    }

    SimTask start(Node node, Tasks.Lane lane, String name, Runnable body) {
        SimTask t = new SimTask(node, taskIds++, lane, name, body);
        node.add(t);
        makeRunnable(t);
        return t;
    }

    void runBody(SimTask me, Runnable body) {
        try {
            me.node.enterSlot(me);
            body.run();
        } catch (Tasks.Cancelled e) {
            if (!me.cancelled) {
                fail(me + " ended as cancelled, but nobody cancelled it", e);
            }
        } catch (Throwable e) {
            fail(me + " threw " + e, e);
        }
        if (!over && me.held != 0) {
            fail(me + " ended with a monitor held", null);
        }
        me.node.remove(me);
        me.node.leaveSlot(me);
        me.ended();
        if (me == driver && !over) {
            over = true;
        }
        handOver(me, true);
    }

    /** Parks the current task until {@link #wake} or the deadline. */
    void park(Object what, long deadline, boolean cancellable) {
        SimTask me = current();
        me.parked = true;
        me.cancellable = cancellable;
        me.waitingFor = what;
        if (deadline != NEVER) {
            events.add(me.alarm, deadline);
        }
        handOver(me, false);
    }

    /** Makes a parked task runnable; false if it was not parked. */
    boolean wake(SimTask t) {
        if (!t.parked || t.killed) {
            return false;
        }
        t.parked = false;
        t.waitingFor = null;
        events.remove(t.alarm);
        makeRunnable(t);
        return true;
    }

    void yieldNow(SimTask me) {
        makeRunnable(me);
        handOver(me, false);
    }

    void maybeYield(SimTask me) {
        if (yieldOneIn == 1 || schedule.oneIn(yieldOneIn)) {
            yieldNow(me);
        }
        Stall stall = me.stall;
        if (stall != null && me.held == 0 && stall.due()) {
            me.stall = null;
            stalled(me, stall);
        }
    }

    private void stalled(SimTask me, Stall stall) {
        if (stall.until().isDone() || !strikes(me.node.name(), me + " gets no processor")) {
            return;
        }
        probe("task-stalled");
        long deadline = deadline(stall.nanos());
        while (!stall.until().isDone() && now < deadline) {
            busy("a processor", STALL_STEP_NANOS);
        }
    }

    /**
     * The current task is about to get no processor until another one has ended, but not for longer
     * than that.
     *
     * @param locks taking or giving up one so many times comes before
     */
    public void stall(int locks, Tasks.Task until, long nanos) {
        current().stall = new Stall(locks, until, nanos);
    }

    boolean spuriousWake() {
        return schedule.oneIn(spuriousOneIn);
    }

    /** A device is busy for that long; the current task waits for it, cancelled or not. */
    public void busy(Object what, long nanos) {
        park(what, deadline(nanos), false);
    }

    void sleep(long nanos) {
        SimTask me = current();
        Check.that(me.held == 0, "%s sleeps with a monitor held", me);
        if (me.cancelled) {
            throw new Tasks.Cancelled();
        }
        me.node.leaveSlot(me);
        long deadline = deadline(nanos);
        do {
            park("a while to pass", deadline, true);
        } while (now < deadline && !me.cancelled);
        me.node.enterSlot(me);
        if (me.cancelled) {
            throw new Tasks.Cancelled();
        }
    }

    void yieldPoint() {
        SimTask me = current();
        Check.that(me.held == 0, "%s reaches a yield point with a monitor held", me);
        if (schedule.nextBoolean()) {
            me.node.leaveSlot(me);
            yieldNow(me);
            me.node.enterSlot(me);
        }
    }

    /**
     * @param what an event of the server's, or a word of a scenario
     */
    void event(Node node, String what, String detail) {
        probe(what);
        if (recording != null) {
            recording.mark(new Recording.Mark(now, node.name(), what, detail));
        }
        trace.event(now, node.name() + ": " + what + ": " + detail);
    }

    private void makeRunnable(SimTask t) {
        if (runnableCount == runnable.length) {
            runnable = Arrays.copyOf(runnable, 2 * runnableCount);
        }
        runnable[runnableCount++] = t;
    }

    /** Lets the next one run; returns when it is this task's turn again. */
    private void handOver(SimTask me, boolean forEver) {
        SimTask next = pick();
        current = next;
        if (next == me) {
            return;
        }
        baton = next;
        if (next != null) {
            next.go();
        } else {
            ended.countDown();
        }
        if (forEver && me.done && !me.killed) {
            return;
        }
        while (baton != me) {
            LockSupport.park(this);
        }
    }

    /** The next one to run, or null at the end. No allocation here: this is the inner loop. */
    private @Nullable SimTask pick() {
        current = null;
        try {
            now += stepNanos;
            while (!over) {
                if (runnableCount == 0) {
                    if (events.firstTime() == NEVER) {
                        fail("deadlock: no task can run and nothing is going to happen", null);
                        break;
                    }
                    now = Math.max(now, events.firstTime());
                }
                while (events.firstTime() <= now) {
                    events.removeFirst().fire();
                }
                if (runnableCount > 0 && !over) {
                    return take();
                }
            }
        } catch (Throwable e) {
            fail("a device threw " + e, e);
        }
        return null;
    }

    private @Nullable SimTask take() {
        int i = runnableCount == 1 ? 0 : schedule.nextInt(runnableCount);
        SimTask t = runnable[i];
        runnable[i] = runnable[--runnableCount];
        runnable[runnableCount] = null;
        if (t != null) {
            trace.step(steps, now, t);
        }
        if (++steps > MAX_STEPS || now > MAX_NANOS) {
            fail("no end after " + steps + " steps and " + now / 1_000_000_000 + " s", null);
            return null;
        }
        return t;
    }

    private List<String> listTasks() {
        List<String> out = new ArrayList<>();
        int more = 0;
        for (Node n : nodes) {
            for (SimTask t : n.live()) {
                if (out.size() >= TASKS_LISTED) {
                    more++;
                } else {
                    out.add(describe(t));
                }
            }
        }
        if (more > 0) {
            out.add("... and " + more + " more");
        }
        return out;
    }

    private static String describe(SimTask t) {
        StringBuilder out = new StringBuilder(t.toString());
        out.append(t.parked ? " waits for " + t.waitingFor : " can run");
        int frames = 0;
        for (StackTraceElement e : t.thread.getStackTrace()) {
            String c = e.getClassName();
            boolean machinery = c.startsWith("java.") || MACHINERY.contains(c);
            if (!machinery && frames++ < FRAMES_LISTED) {
                out.append(frames == 1 ? " at " : " < ")
                        .append(c.substring(c.lastIndexOf('.') + 1))
                        .append('.')
                        .append(e.getMethodName())
                        .append(':')
                        .append(e.getLineNumber());
            }
        }
        return out.toString();
    }
}
