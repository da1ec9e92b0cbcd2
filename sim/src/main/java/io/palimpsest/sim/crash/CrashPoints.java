package io.palimpsest.sim.crash;

import io.palimpsest.base.Check;
import io.palimpsest.port.Disk;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * Runs a protocol once, and then recovers from every state that a loss of power could have left at
 * each of its operations, and at each operation of a recovery, to any depth. What is required of a
 * recovery is {@link Recovery}'s.
 *
 * <p>States are numbered in the order they are met. Equal ones are recovered from once.
 */
public final class CrashPoints implements Scenario {
    /** What is done late is done after so many changes of who takes over, at most. */
    private static final int LATE = 3;

    /** A state, and what must be found in it. */
    private record Met(long state, List<Expected> expected) {}

    /**
     * What came out.
     *
     * @param operations of the protocol
     * @param states met
     * @param distinct of them
     * @param outcome of the simulation they were met in
     */
    public record Result(
            String protocol, int operations, long states, long distinct, Outcome outcome) {
        /** What went wrong and how to see it again. */
        public String report() {
            String said = outcome.report();
            return "crash-points: protocol "
                    + protocol
                    + ", state "
                    + states
                    + ": "
                    + said.substring(0, said.lastIndexOf("  replay: "))
                    + "  replay: make sim-crash-points PROTOCOL="
                    + protocol
                    + " STATE="
                    + states
                    + " SEED="
                    + outcome.seed();
        }
    }

    private final CrashProtocol protocol;
    private final long lastState;
    private final int oneIn;
    private final UnaryOperator<Disk> diskSeen;
    private final Set<Met> met = new HashSet<>();
    private final ArrayDeque<String> where = new ArrayDeque<>();
    private int operations;
    private long states;
    private long distinct;

    private CrashPoints(
            CrashProtocol protocol, long lastState, int oneIn, UnaryOperator<Disk> diskSeen) {
        this.protocol = protocol;
        this.lastState = lastState;
        this.oneIn = oneIn;
        this.diskSeen = diskSeen;
    }

    /** Names of the protocols. */
    public static List<String> protocols() {
        return CrashProtocols.all().stream().map(CrashProtocol::name).toList();
    }

    /**
     * Enumerates the crash points of a protocol.
     *
     * @param lastState the state to end at
     */
    public static Result run(String protocol, long seed, long lastState) {
        return run(CrashProtocols.named(protocol), seed, lastState, 1, disk -> disk);
    }

    /** Some of the crash points of a protocol with a store: one in so many states. */
    static Result sample(CrashProtocol protocol, long seed, int oneIn) {
        return run(protocol, seed, Long.MAX_VALUE, oneIn, disk -> disk);
    }

    /** The page server sees the disk through {@code diskSeen}: a way to plant bugs. */
    static Result run(
            CrashProtocol protocol, long seed, long lastState, UnaryOperator<Disk> diskSeen) {
        return run(protocol, seed, lastState, 1, diskSeen);
    }

    private static Result run(
            CrashProtocol protocol,
            long seed,
            long lastState,
            int oneIn,
            UnaryOperator<Disk> diskSeen) {
        CrashPoints points = new CrashPoints(protocol, lastState, oneIn, diskSeen);
        Outcome outcome = Simulation.run(points, seed);
        return new Result(
                protocol.name(), points.operations, points.states, points.distinct, outcome);
    }

    @Override
    public String name() {
        return "crash-points-" + protocol.name();
    }

    @Override
    public void run(Simulation s) {
        boolean withStore = protocol.withStore();
        CrashWorld world = new CrashWorld(s, diskSeen, withStore);
        Runnable all = withStore ? () -> enumerateWithStore(world) : () -> enumerate(world);
        world.server().start("protocol", all).join();
    }

    /**
     * With a store a power loss meets two things: what the disk kept, and the store, which has done
     * what was asked so far. Before each step the machine starts again, or another one with an
     * empty disk does; and what was asked for last may be done while that one takes over.
     */
    private void enumerateWithStore(CrashWorld world) {
        world.start();
        protocol.prepare(world);
        DiskState start = world.disk().state();
        int operation = world.disk().journal().size();
        int first = world.steps().size();
        protocol.run(world);
        StoreStep last = world.stepNow(null);
        List<StoreStep> steps = new ArrayList<>(world.steps().subList(first, world.steps().size()));
        List<JournalDisk.Operation> journal = List.copyOf(world.disk().journal());
        operations = steps.size();
        steps.add(last);
        world.close();
        StoreRecovery recovery = new StoreRecovery(world);
        CrashStates crash = new CrashStates(start, start.hash());
        for (int i = 0; i < steps.size(); i++) {
            StoreStep step = steps.get(i);
            boolean onDisk = step.request() == null && i < operations;
            where.addLast(
                    "power lost before step "
                            + i
                            + " of "
                            + operations
                            + ", "
                            + (onDisk ? journal.get(operation) : step.request())
                            + ", not durable: "
                            + crash.pending());
            if (!recoverFromStore(step, recovery)
                    || !crash.forEach(state ->
                            recovered(
                                    state.hash() ^ DiskState.mix(step.store().hash()),
                                    step.here(),
                                    () -> recovery.here(state, step)))) {
                return;
            }
            where.removeLast();
            if (onDisk) {
                crash.advance(journal.get(operation++));
            }
        }
    }

    /** The machine is lost, too. */
    private boolean recoverFromStore(StoreStep step, StoreRecovery recovery) {
        long store = step.store().hash();
        if (!recovered(store, step.elsewhere(), () -> recovery.elsewhere(step))) {
            return false;
        }
        JournalStore.Request late = step.request();
        if (late == null) {
            return true;
        }
        for (int after = 1; after <= LATE; after++) {
            int changes = after;
            where.addLast("it is done late, after " + after + " changes in the store");
            boolean more =
                    recovered(
                            DiskState.mix(store + late.toString().hashCode()) + after,
                            step.elsewhere(),
                            () -> recovery.elsewhere(step, late, changes));
            where.removeLast();
            if (!more) {
                return false;
            }
        }
        return true;
    }

    /** Recovers from a state, unless it was met before; false if the enumeration ends. */
    private boolean recovered(long state, List<Expected> expected, Runnable recovery) {
        states++;
        if (states % oneIn == 0 && met.add(new Met(state, expected))) {
            distinct++;
            try {
                recovery.run();
            } catch (RuntimeException | Error e) {
                throw new AssertionError(String.join("; ", where) + ": " + e, e);
            }
        }
        return states < lastState;
    }

    private void enumerate(CrashWorld world) {
        world.start();
        protocol.prepare(world);
        DiskState start = world.disk().state();
        int from = world.disk().journal().size();
        protocol.run(world);
        int to = world.disk().journal().size();
        List<Expected> atEnd = world.expectedNow();
        operations = to - from;
        world.close();
        enumerate(
                start,
                world.disk().journal().subList(from, to),
                new Recovery(world),
                i -> i < to - from ? world.expectedAt(from + i) : atEnd);
    }

    /** What must be found after so many operations. */
    private interface ExpectedAt {
        List<Expected> operation(int i);
    }

    private boolean enumerate(
            DiskState start,
            List<JournalDisk.Operation> journal,
            Recovery recovery,
            ExpectedAt expectedAt) {
        CrashStates crash = new CrashStates(start, start.hash());
        for (int i = 0; i <= journal.size(); i++) {
            List<Expected> expected = expectedAt.operation(i);
            where.addLast(
                    (i < journal.size()
                                    ? "power lost before operation "
                                            + i
                                            + " of "
                                            + journal.size()
                                            + ", "
                                            + journal.get(i)
                                    : "power lost after the last operation")
                            + ", not durable: "
                            + crash.pending());
            if (!crash.forEach(state -> recover(state, recovery, expected))) {
                return false;
            }
            where.removeLast();
            if (i < journal.size()) {
                crash.advance(journal.get(i));
            }
        }
        return true;
    }

    /**
     * Because long work goes on: that leaves what is not synced with other contents each time it is
     * cut short, which would have no end. StructureCrashTest and ResumedImportTest cut it.
     */
    private static boolean writes(List<JournalDisk.Operation> done) {
        return done.stream().anyMatch(JournalDisk.Operation.Append.class::isInstance);
    }

    private boolean recover(DiskState state, Recovery recovery, List<Expected> expected) {
        states++;
        if (met.add(new Met(state.hash(), expected))) {
            distinct++;
            List<JournalDisk.Operation> done;
            try {
                done = recovery.from(state, expected);
            } catch (RuntimeException | Error e) {
                throw new AssertionError(String.join("; in recovery ", where) + ": " + e, e);
            }
            if (!done.isEmpty()
                    && !writes(done)
                    && !enumerate(state, done, recovery, _ -> expected)) {
                return false;
            }
        }
        Check.that(where.size() < 100, "recoveries that do not come to an end");
        return states < lastState;
    }
}
