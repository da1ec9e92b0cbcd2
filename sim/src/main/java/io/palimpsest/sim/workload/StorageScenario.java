package io.palimpsest.sim.workload;

import io.palimpsest.base.Prng;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A page server with layers and periods so small that it compacts and collects all the time, while
 * its clients branch, write to branches, read at any LSN on any branch, and take back what they
 * made; its power is lost at any moment. In one variant reads now and then find a bit flipped.
 *
 * <p>At the end faults stop and background work must come to rest; then all that may be read is
 * compared, before and after a restart, and the disk must hold what the indexes name.
 */
public final class StorageScenario implements Scenario {
    private static final long SECOND = 1_000_000_000L;

    /** What no simulation of many seeds may do without. */
    private static final List<String> REACHED =
            List.of(
                    "l0-merged",
                    "l0-merged-at-rest",
                    "images-created",
                    "layers-collected",
                    "history-dropped",
                    "compaction-gave-way",
                    "cutoff-advanced",
                    "branch-made",
                    "branch-of-branch-made",
                    "branch-written",
                    "branch-refused",
                    "timeline-detached",
                    "timeline-archived",
                    "timeline-unarchived",
                    "timeline-deleted",
                    "change-refused",
                    "lease-granted",
                    "read-at-cutoff",
                    "read-below-the-ancestors-cutoff",
                    "read-of-lease",
                    "read-refused",
                    "read-retried",
                    "disk-full",
                    "disk-full-over",
                    "read-while-full",
                    "power-lost",
                    "restarted-in-order");

    /** What goes wrong beside the power. */
    enum Variant {
        FAULTS("storage"),
        BIT_ROT("bit-rot");

        private final String scenario;

        Variant(String scenario) {
            this.scenario = scenario;
        }
    }

    private final Variant variant;
    private final UnaryOperator<Disk> diskSeen;
    private final Mischief mischief;

    private StorageScenario(Variant variant, UnaryOperator<Disk> diskSeen, Mischief mischief) {
        this.variant = variant;
        this.diskSeen = diskSeen;
        this.mischief = mischief;
    }

    public static StorageScenario faults() {
        return new StorageScenario(Variant.FAULTS, disk -> disk, Mischief.NONE);
    }

    public static StorageScenario bitRot() {
        return new StorageScenario(Variant.BIT_ROT, disk -> disk, Mischief.NONE);
    }

    /** With bugs: the page server sees the disk through {@code diskSeen}, and does mischief. */
    public static StorageScenario planted(UnaryOperator<Disk> diskSeen, Mischief mischief) {
        return new StorageScenario(Variant.FAULTS, diskSeen, mischief);
    }

    @Override
    public String name() {
        return variant.scenario;
    }

    @Override
    public List<String> mustReach() {
        List<String> all = new ArrayList<>(REACHED);
        if (variant == Variant.FAULTS) {
            all.addAll(StorageRun.placesOfPowerLoss());
        } else {
            all.add("read-failed");
        }
        return all;
    }

    @Override
    public void run(Simulation s) {
        Prng random = s.random("workload");
        FaultPlan calm = FaultPlan.rough(s.random("faults"));
        FaultPlan plan =
                variant == Variant.BIT_ROT
                        ? calm.withBitRot(20 + random.nextInt(2000))
                        : calm.withReadFails(random.nextBoolean() ? 0 : 20 + random.nextInt(500));
        SimNet net = new SimNet(s, plan);
        Machine source = new Machine(net, "postgres", FaultPlan.quiet());
        Machine server = new Machine(net, "pageserver", calm);
        StorageRun run = new StorageRun(s, random, source, server, diskSeen, mischief, variant);
        source.start("postmaster", run.postgres()::serve);
        source.start("workload", run::write);
        for (int i = random.nextInt(4); i >= 0; i--) {
            FaultPlan now = plan;
            if (random.nextBoolean()) {
                long n = 1L + random.nextInt(1 << 1 + random.nextInt(11));
                long at = server.disk().operations() + n;
                now =
                        random.nextBoolean()
                                ? plan.withPowerLossAt(at)
                                : plan.withPowerLossAtNames(at);
            }
            run.faults(now);
            Tasks.Task life = server.start("pageserver", run::live);
            long nanos = random.nextLong(1 + random.nextLong(2 * SECOND));
            Runnable end = random.nextInt(4) == 0 ? run::endInOrder : server::losePower;
            s.after(nanos, server.node(), () -> endOf(life, end));
            int before = server.node().incarnation();
            life.join();
            s.probe(server.node().incarnation() == before ? "restarted-in-order" : "power-lost");
        }
        net.plan(calm.withResets(0));
        run.faults(calm);
        server.disk().showRot(false);
        run.lastLife();
        server.start("pageserver", run::live).join();
        server.checkIdle();
        run.postgres().stop();
        server.start("restarted", run::compareAfterRestart).join();
        server.checkIdle();
    }

    /** A life that has ended by itself has no other end, nor has the one after it. */
    private static void endOf(Tasks.Task life, Runnable end) {
        if (!life.isDone()) {
            end.run();
        }
    }
}
