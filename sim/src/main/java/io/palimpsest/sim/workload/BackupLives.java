package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.StoreFaults;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Which machine has the tenant when, and what ends it, in one run of {@link BackupScenario}. */
final class BackupLives {
    private static final long SECOND = 1_000_000_000L;

    /** A machine's clock is wrong by so much, at most. */
    private static final int CLOCK_MILLIS = 30_000;

    /** A machine with a page server on it, that runs or has ended. */
    private record Life(Machine machine, Tasks.Task server) {}

    private final BackupProfile profile;
    private final Simulation simulation;
    private final Prng random;
    private final Prng choosing;
    private final Prng clocks;
    private final Prng restoring;
    private final FaultPlan plan;
    private final SimNet net;
    private final SimObjectStore store;
    private final Machine source;
    private final boolean versions;
    private final boolean rivals;
    private final BackupRun run;
    private final List<Machine> machines = new ArrayList<>();
    private final List<Life> lives = new ArrayList<>();
    private final BackupStandBy standBy;
    private Machine current;

    BackupLives(BackupProfile profile, Simulation s) {
        this.profile = profile;
        simulation = s;
        random = s.random("workload");
        choosing = s.random("machines");
        clocks = s.random("clocks");
        restoring = s.random("restore");
        plan = FaultPlan.rough(s.random("faults"));
        net = new SimNet(s, plan);
        store =
                new SimObjectStore(
                        s, StoreFaults.rough(s.random("store faults"), profile.roughness()));
        source = new Machine(net, "postgres", FaultPlan.quiet());
        versions = profile.versions().strikes(restoring);
        if (versions) {
            store.keepVersions();
        }
        Prng chaos = s.random("damage");
        rivals = !profile.rot() || chaos.nextBoolean();
        StoreVandal vandal = profile.rot() ? new StoreVandal(store, chaos, !rivals) : null;
        run = new BackupRun(profile, random, source, store, vandal);
        standBy = new BackupStandBy(s, run, choosing);
        current = newMachine();
        BackupGolden golden = run.golden();
        if (golden != null) {
            golden.fill(store);
            boolean onDisk = profile.goldenDisk().strikes(choosing);
            s.probe(onDisk ? "golden-from-disk" : "golden-from-store");
            if (onDisk) {
                golden.fill(current, plan);
            }
        }
    }

    /** A machine whose clock is not quite right. */
    private Machine newMachine() {
        Machine machine = new Machine(net, "pageserver-" + machines.size(), plan);
        machine.node().shiftWall(clocks.nextInt(2 * CLOCK_MILLIS + 1) - CLOCK_MILLIS);
        machines.add(machine);
        return machine;
    }

    void run() {
        source.start("postmaster", run::servePostgres);
        source.start("workload", run::write);
        Tasks.Task damaging = profile.rot() ? source.start("damage", run::damage) : null;
        Machine tools = new Machine(net, "tools", FaultPlan.quiet());
        StoreOperator operator = run.operator(tools);
        Prng scrubs = simulation.random("scrub");
        Tasks.Task scrubbing =
                profile.rot()
                        ? null
                        : tools.start(
                                "scrub", () -> operator.scrub(scrubs, profile.scrubPauseNanos()));
        for (int left = profile.lives(random); left > 0; left--) {
            live();
        }
        net.plan(plan.withResets(0));
        run.noMoreOutages();
        lives.forEach(life -> life.server.join());
        Machine _ = standBy.take();
        if (versions && profile.restoredWhileRunning().strikes(restoring) && restoredUnderway()) {
            end(operator, scrubbing);
            return;
        }
        store.faults(StoreFaults.quiet());
        if (damaging != null) {
            run.noMoreDamage();
            damaging.join();
        }
        Machine last = current;
        last.start("pageserver", () -> run.serve(last, true)).join();
        end(operator, scrubbing);
        last.checkIdle();
        run.stopPostgres();
        Machine empty = new Machine(net, "empty", plan);
        empty.start("restored", () -> run.finale().compareRestored(empty)).join();
        empty.checkIdle();
        if (versions) {
            long at = someMoment();
            Machine earlier = new Machine(net, "earlier", plan);
            earlier.start("restore", () -> run.finale().restore(earlier, at)).join();
            earlier.checkIdle();
        }
        delete(tools);
    }

    /** At last the tenant goes; where what was is kept, it comes back when somebody wants it. */
    private void delete(Machine tools) {
        Prng deleting = simulation.random("deletion");
        long before = Simulation.EPOCH_MILLIS + simulation.now() / 1_000_000;
        store.faults(StoreFaults.rough(deleting.split("faults"), profile.roughness()));
        BackupDeletion deletion = new BackupDeletion(simulation, run, store);
        Machine machine = newMachine();
        for (int left = deleting.nextInt(4); left > 0 && !deletion.isGone(); left--) {
            deletion.live(machine, deleting, 1 + deleting.nextLong(20 * SECOND));
            machine = deleting.nextBoolean() ? newMachine() : machine;
        }
        if (!deletion.isGone()) {
            deletion.live(machine, deleting, 0);
        }
        source.tasks().sleep(BackupRun.LATEST_NANOS);
        store.faults(StoreFaults.quiet());
        // Whoever had it once, and whoever was deleting it when another one was done.
        for (int i = 0; i < 3; i++) {
            Machine any = machines.get(deleting.nextInt(machines.size()));
            any.start("afterwards", () -> deletion.check(any)).join();
            any.checkIdle();
        }
        tools.start("scrub", () -> deletion.checkStore(tools)).join();
        if (versions) {
            Machine restorer = new Machine(net, "restorer", plan);
            restorer.start("restore", () -> run.finale().restore(restorer, before)).join();
            restorer.checkIdle();
            simulation.probe("backup-deleted-and-restored");
        }
    }

    private static void end(StoreOperator operator, Tasks.@Nullable Task scrubbing) {
        operator.stop();
        if (scrubbing != null) {
            scrubbing.join();
        }
    }

    /** Milliseconds since 1970. */
    private long someMoment() {
        return Simulation.EPOCH_MILLIS + restoring.nextLong(1 + simulation.now() / 1_000_000);
    }

    private void live() {
        Machine machine = current;
        if (store.away()) {
            simulation.probe("backup-started-in-outage");
        }
        Tasks.Task server = machine.start("pageserver", () -> run.serve(machine, false));
        lives.add(new Life(machine, server));
        if (standBy.machine() == null && profile.standsBy().strikes(choosing)) {
            standBy.begin(newMachine());
        }
        if (profile.outage().strikes(random)) {
            simulation.after(random.nextLong(20 * SECOND), source.node(), () -> outage(machine));
        }
        long lasts = random.nextLong(1 + random.nextLong(profile.lifeNanos()));
        if (profile.second().strikes(random) && rivals) {
            // Nobody has told the old one that there is a new one.
            simulation.probe("backup-two-servers");
            run.rival();
            losePower(machine, server, lasts + random.nextLong(profile.overlapNanos()));
            source.tasks().sleep(random.nextLong(lasts + 1));
            current = another();
            return;
        }
        losePower(machine, server, lasts);
        lives.removeLast().server.join();
        if (store.away()) {
            simulation.probe("backup-lost-in-outage");
        }
        if (random.nextBoolean()) {
            simulation.probe("backup-machine-lost");
            current = another();
        }
        if (profile.pauseNanos() > 0) {
            source.tasks().sleep(choosing.nextLong(profile.pauseNanos()));
        }
    }

    private void outage(Machine machine) {
        long nanos = random.nextLong(profile.outageNanos());
        run.outage(nanos);
        simulation.after(nanos, machine.node(), () -> simulation.probe("backup-outage-outlived"));
    }

    /**
     * The one that stands by; or a new machine, or one that had the tenant and does nothing any
     * more, as it was left.
     */
    private Machine another() {
        Machine ready = standBy.take();
        if (ready != null) {
            return ready;
        }
        List<Machine> idle = new ArrayList<>(machines);
        idle.remove(current);
        for (Life life : lives) {
            if (!life.server.isDone()) {
                idle.remove(life.machine);
            }
        }
        if (idle.isEmpty() || !profile.comesBack().strikes(choosing)) {
            return newMachine();
        }
        simulation.probe("backup-machine-came-back");
        return idle.get(choosing.nextInt(idle.size()));
    }

    /** Some time later, unless it has ended by itself. */
    private void losePower(Machine machine, Tasks.Task server, long nanos) {
        simulation.after(
                nanos,
                machine.node(),
                () -> {
                    if (!server.isDone()) {
                        machine.losePower();
                    }
                });
    }

    /**
     * Somebody restores what was while a server has the tenant, is told nothing, and takes in WAL.
     * It is fenced in time, and harms nothing. False if there was nothing yet.
     */
    private boolean restoredUnderway() {
        run.rival();
        Machine machine = current;
        Tasks.Task old = machine.start("pageserver", () -> run.serve(machine, false));
        run.awaitServing(old);
        source.tasks().sleep(restoring.nextLong(20 * SECOND));
        BackupFinale finale = run.finale();
        long at = someMoment();
        Machine earlier = new Machine(net, "earlier", plan);
        boolean[] restored = {false};
        earlier.start("restore", () -> restored[0] = finale.restoreWhatever(earlier, at)).join();
        if (!restored[0]) {
            losePower(machine, old, 0);
            old.join();
            return false;
        }
        simulation.probe("backup-restored-while-running");
        store.faults(StoreFaults.quiet());
        earlier.start("restored", () -> finale.serveRestored(earlier, old)).join();
        Check.that(old.isDone(), "a server goes on after the tenant was restored");
        earlier.checkIdle();
        machine.checkIdle();
        run.stopPostgres();
        return true;
    }
}
