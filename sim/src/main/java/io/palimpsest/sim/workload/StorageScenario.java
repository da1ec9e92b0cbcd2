package io.palimpsest.sim.workload;

import io.palimpsest.base.Prng;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A page server with layers and periods so small that it compacts and collects all the time, while
 * its clients branch, write to branches, read at any LSN on any branch, and take back what they
 * made; its power is lost at any moment.
 *
 * <p>At the end faults stop and background work must come to rest; then all that may be read is
 * compared, before and after a restart, and the disk must hold what the indexes name.
 *
 * <p>How often what happens is data: a {@link StorageProfile}, read from a file.
 */
public final class StorageScenario implements Scenario {
    private final StorageProfile profile;
    private final UnaryOperator<Disk> diskSeen;
    private final Mischief mischief;

    private StorageScenario(
            StorageProfile profile, UnaryOperator<Disk> diskSeen, Mischief mischief) {
        this.profile = profile;
        this.diskSeen = diskSeen;
        this.mischief = mischief;
    }

    /** One of those that come with the simulator. */
    public static StorageScenario named(String name) {
        return new StorageScenario(StorageProfile.builtIn(name), disk -> disk, Mischief.NONE);
    }

    /** That of a file; an IllegalArgumentException says what is wrong with it. */
    static StorageScenario of(String path, ScenarioFile file) {
        return new StorageScenario(StorageProfile.read(path, file), disk -> disk, Mischief.NONE);
    }

    /** With bugs: the page server sees the disk through {@code diskSeen}, and does mischief. */
    public static StorageScenario planted(UnaryOperator<Disk> diskSeen, Mischief mischief) {
        return new StorageScenario(StorageProfile.builtIn("storage"), diskSeen, mischief);
    }

    @Override
    public String name() {
        return profile.name();
    }

    @Override
    public List<String> mustReach() {
        return profile.mustReach();
    }

    @Override
    public List<String> mustReachInMany() {
        return profile.mustReachInMany();
    }

    @Override
    public void run(Simulation s) {
        Prng random = s.random("workload");
        FaultPlan calm = profile.slowness().of(FaultPlan.rough(s.random("faults")));
        FaultPlan plan =
                profile.bitRot()
                        ? calm.withBitRot(20 + random.nextInt(2000))
                        : calm.withReadFails(
                                profile.readFails().strikes(random) ? 20 + random.nextInt(500) : 0);
        SimNet net = new SimNet(s, plan);
        Machine source = new Machine(net, "postgres", FaultPlan.quiet());
        Machine server = new Machine(net, "pageserver", calm);
        StorageRun run = new StorageRun(s, random, source, server, diskSeen, mischief, profile);
        source.start("postmaster", run.postgres()::serve);
        source.start("workload", run::write);
        for (int i = random.nextInt(profile.mostLives()); i >= 0; i--) {
            FaultPlan now = plan;
            if (!profile.byTime().strikes(random)) {
                long n = 1L + random.nextInt(1 << 1 + random.nextInt(11));
                long at = server.disk().operations() + n;
                now =
                        random.nextBoolean()
                                ? plan.withPowerLossAt(at)
                                : plan.withPowerLossAtNames(at);
            }
            run.faults(now);
            Tasks.Task life = server.start("pageserver", run::live);
            long nanos = random.nextLong(1 + random.nextLong(profile.lifeNanos()));
            Runnable end = profile.inOrder().strikes(random) ? run::endInOrder : server::losePower;
            s.after(nanos, server.node(), () -> endOf(life, end));
            int before = server.node().incarnation();
            life.join();
            boolean lost = server.node().incarnation() != before;
            s.probe(lost ? "power-lost" : "restarted-in-order");
            if (lost && run.full()) {
                s.probe("power-lost-while-full");
            }
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
