package io.palimpsest.sim.workload;

import io.palimpsest.base.Prng;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.Damage;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.StoreFaults;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Page servers with an object store follow a Postgres, one after the other and at times two at
 * once. Their power is lost at any moment; then the same machine starts again, or it is lost too
 * and a new one with an empty disk takes the tenant over. The store fails as stores do: it is away,
 * throttles, loses answers, carries out late what nobody waits for any more, and lists what was.
 *
 * <p>The source keeps only what was not acknowledged, so acknowledging what is not in the store for
 * good shows as WAL that is gone. What was confirmed (the timeline, branches, their deletion) must
 * be so for every server that comes later. At the end an empty machine serves everything, from the
 * store alone. All the while layers leave the disk, by age, for lack of room, and by chance, and
 * somebody who owns nothing scrubs the store: finds nothing missing that an index names, and
 * deletes what is left of branches that are being deleted. Where the store keeps versions, the
 * tenant is made at last what it was in the store at some moment, and served from that.
 */
public final class BackupScenario implements Scenario {
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1000 * MILLIS;

    /** A machine's clock is wrong by so much, at most. */
    private static final int CLOCK_MILLIS = 30_000;

    /** What no simulation of many seeds may do without. */
    private static final List<String> REACHED =
            List.of(
                    "backup-machine-lost",
                    "backup-two-servers",
                    "backup-warm-up",
                    "backup-fenced",
                    "backup-branch",
                    "backup-branch-archived",
                    "backup-branch-deleted",
                    "backup-branch-detached",
                    "backup-lease",
                    "backup-read-of-lease",
                    "tenant-attached",
                    "tenant-fenced",
                    "backup-restored-by-copies",
                    "store-garbage-deleted",
                    "layer-fetched",
                    "layer-read-away",
                    "backup-layer-evicted",
                    "layers-collected",
                    "history-dropped",
                    "store-unavailable",
                    "store-throttled",
                    "store-conflict",
                    "store-corruption",
                    "store-late-put",
                    "store-late-delete");

    /** What goes wrong with the store beside what stores do. */
    private enum Variant {
        BACKUP("backup"),
        ROT("store-rot");

        private final String scenario;

        Variant(String scenario) {
            this.scenario = scenario;
        }
    }

    private final Variant variant;

    private BackupScenario(Variant variant) {
        this.variant = variant;
    }

    public static BackupScenario faults() {
        return new BackupScenario(Variant.BACKUP);
    }

    /** What was put is damaged, and put right again some time later. */
    public static BackupScenario rot() {
        return new BackupScenario(Variant.ROT);
    }

    @Override
    public String name() {
        return variant.scenario;
    }

    @Override
    public List<String> mustReach() {
        return switch (variant) {
            case BACKUP -> REACHED;
            case ROT -> reachedByRot();
        };
    }

    /** Somebody has read each kind of object damaged in each way, and said so. */
    private static List<String> reachedByRot() {
        List<String> all = new ArrayList<>();
        for (Damage damage : Damage.values()) {
            for (String object : List.of("manifest", "index", "layer")) {
                all.add("met-" + damage.name().toLowerCase(Locale.ROOT) + "-" + object);
            }
        }
        all.add("store-damage-told");
        all.add("backup-restarted");
        return List.copyOf(all);
    }

    @Override
    public void run(Simulation s) {
        Prng random = s.random("workload");
        FaultPlan plan = FaultPlan.rough(s.random("faults"));
        SimNet net = new SimNet(s, plan);
        SimObjectStore store = new SimObjectStore(s, StoreFaults.rough(s.random("store faults")));
        Machine source = new Machine(net, "postgres", FaultPlan.quiet());
        boolean rot = variant == Variant.ROT;
        Prng restoring = s.random("restore");
        boolean versions = !rot && restoring.nextInt(3) == 0;
        if (versions) {
            store.keepVersions();
        }
        Prng chaos = s.random("damage");
        boolean rivals = !rot || chaos.nextBoolean();
        StoreVandal vandal = rot ? new StoreVandal(store, chaos, !rivals) : null;
        BackupRun run = new BackupRun(random, source, store, vandal);
        source.start("postmaster", run::servePostgres);
        source.start("workload", run::write);
        Tasks.Task damaging = rot ? source.start("damage", run::damage) : null;
        Machine tools = new Machine(net, "tools", FaultPlan.quiet());
        StoreOperator operator = run.operator(tools);
        Tasks.Task scrubbing =
                rot ? null : tools.start("scrub", () -> operator.scrub(s.random("scrub")));
        List<Machine> machines = new ArrayList<>();
        Prng clocks = s.random("clocks");
        machines.add(server(net, 0, plan, clocks));
        List<Tasks.Task> running = new ArrayList<>();
        for (int life = random.nextInt(6); life >= 0; life--) {
            Machine machine = machines.getLast();
            Tasks.Task server = machine.start("pageserver", () -> run.serve(machine, false));
            running.add(server);
            if (random.nextInt(3) == 0) {
                s.after(
                        random.nextLong(20 * SECOND),
                        source.node(),
                        () -> run.outage(random.nextLong(120 * SECOND)));
            }
            long lasts = random.nextLong(1 + random.nextLong(40 * SECOND));
            if (random.nextInt(3) == 0 && rivals) {
                // Nobody has told the old one that there is a new one.
                s.probe("backup-two-servers");
                run.rival();
                losePower(s, machine, server, lasts + random.nextLong(20 * SECOND));
                source.tasks().sleep(random.nextLong(lasts + 1));
                machines.add(server(net, machines.size(), plan, clocks));
                continue;
            }
            losePower(s, machine, server, lasts);
            running.removeLast().join();
            if (random.nextBoolean()) {
                s.probe("backup-machine-lost");
                machines.add(server(net, machines.size(), plan, clocks));
            }
        }
        net.plan(plan.withResets(0));
        run.noMoreOutages();
        Machine last = machines.getLast();
        running.forEach(Tasks.Task::join);
        store.faults(StoreFaults.quiet());
        if (damaging != null) {
            run.noMoreDamage();
            damaging.join();
        }
        last.start("pageserver", () -> run.serve(last, true)).join();
        operator.stop();
        if (scrubbing != null) {
            scrubbing.join();
        }
        last.checkIdle();
        run.stopPostgres();
        Machine empty = new Machine(net, "empty", plan);
        empty.start("restored", () -> run.compareRestored(empty)).join();
        empty.checkIdle();
        if (versions) {
            long at = Simulation.EPOCH_MILLIS + restoring.nextLong(1 + s.now() / 1_000_000);
            Machine earlier = new Machine(net, "earlier", plan);
            earlier.start("restore", () -> run.restore(earlier, at)).join();
            earlier.checkIdle();
        }
    }

    /** A machine whose clock is not quite right. */
    private static Machine server(SimNet net, int number, FaultPlan plan, Prng clocks) {
        Machine machine = new Machine(net, "pageserver-" + number, plan);
        machine.node().shiftWall(clocks.nextInt(2 * CLOCK_MILLIS + 1) - CLOCK_MILLIS);
        return machine;
    }

    /** Some time later, unless it has ended by itself. */
    private static void losePower(Simulation s, Machine machine, Tasks.Task server, long nanos) {
        s.after(
                nanos,
                machine.node(),
                () -> {
                    if (!server.isDone()) {
                        machine.losePower();
                    }
                });
    }
}
