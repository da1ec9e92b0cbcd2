package io.palimpsest.sim.workload;

import io.palimpsest.base.Prng;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.List;

/**
 * A page server follows a cluster whose primary fails again and again. A standby is promoted, which
 * may lack what the page server has; the former primary may go on writing; two standbys may be
 * promoted, under one number; the page server may have followed the standby before, be told late,
 * and find no slot. Its own power is lost all the while.
 *
 * <p>Where the new primary goes on from all that a timeline has, the timeline goes over. Where it
 * does not, nothing is put on top of the lost tail: the receiver says so, somebody rewinds, and
 * both can be read: the tail where it was, and a branch that follows the new primary.
 */
public final class FailoverScenario implements Scenario {
    private final FailoverProfile profile;

    private FailoverScenario(FailoverProfile profile) {
        this.profile = profile;
    }

    /** One of those that come with the simulator. */
    public static FailoverScenario named(String name) {
        return new FailoverScenario(FailoverProfile.builtIn(name));
    }

    /** That of a file; an IllegalArgumentException says what is wrong with it. */
    static FailoverScenario of(String path, ScenarioFile file) {
        return new FailoverScenario(FailoverProfile.read(path, file));
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
        FaultPlan plan = FaultPlan.rough(s.random("faults"));
        SimNet net = new SimNet(s, plan);
        FailoverCluster cluster = new FailoverCluster(profile, random.split("cluster"), net);
        Machine server = new Machine(net, "pageserver", plan);
        FailoverRun run = new FailoverRun(cluster, random, server);
        Machine people = new Machine(net, "people", FaultPlan.quiet());
        cluster.start();
        people.start("dba", () -> cluster.run(people.tasks()));
        for (int i = random.nextInt(profile.mostLives() + 1); i > 0; i--) {
            Tasks.Task life = server.start("pageserver", () -> run.serve(false));
            s.after(
                    1 + random.nextLong(1 + random.nextLong(profile.lifeNanos())),
                    server.node(),
                    server::losePower);
            life.join();
        }
        net.plan(plan.withResets(0));
        server.start("pageserver", () -> run.serve(true)).join();
        server.checkIdle();
        cluster.stop();
        server.start("restarted", run::compareAfterRestart).join();
        server.checkIdle();
    }
}
