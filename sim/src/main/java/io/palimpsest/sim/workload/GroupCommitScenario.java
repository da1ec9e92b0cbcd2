package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * Clients append numbers to a log; power is lost at any moment, several times, recovery included.
 * After each start: what was acknowledged is there, what is there was sent, nothing twice.
 */
public final class GroupCommitScenario implements Scenario {
    private final GroupCommitLog.Bug bug;

    public GroupCommitScenario() {
        this(GroupCommitLog.Bug.NONE);
    }

    GroupCommitScenario(GroupCommitLog.Bug bug) {
        this.bug = bug;
    }

    @Override
    public String name() {
        return "group-commit";
    }

    @Override
    public List<String> mustReach() {
        return List.of("recovered", "lost-unacknowledged");
    }

    @Override
    public void run(Simulation s) {
        Prng random = s.random("workload");
        FaultPlan plan = FaultPlan.rough(s.random("faults"));
        Machine m = new Machine(new SimNet(s, plan), "log", plan);
        Run run = new Run(m, random);
        int crashes = 1 + random.nextInt(6);
        for (int i = 0; i < crashes; i++) {
            // The power goes at a random time or at a random disk operation, recovery included.
            if (random.nextBoolean()) {
                m.disk()
                        .plan(
                                plan.withPowerLossAt(
                                        m.disk().operations()
                                                + 1
                                                + random.nextInt(1 + random.nextInt(600))));
            }
            Tasks.Task server = m.start("server", run::serve);
            s.after(
                    random.nextLong(1 + random.nextLong(20_000_000)),
                    m.node(),
                    () -> s.kill(m.node()));
            server.join();
            m.disk().plan(plan);
        }
        run.stop = true;
        m.start("server", run::serve).join();
        m.checkIdle();
    }

    /** What the clients know; it lives outside the machine, so that power loss leaves it alone. */
    private final class Run {
        private final Machine machine;
        private final Prng random;
        private final int clients;
        private final int appends;
        private final TreeSet<Long> sent = new TreeSet<>();
        private final TreeSet<Long> acknowledged = new TreeSet<>();
        private long next;
        private boolean stop;

        Run(Machine machine, Prng random) {
            this.machine = machine;
            this.random = random.split("clients");
            clients = 1 + random.nextInt(8);
            appends = 1 + random.nextInt(50);
        }

        void serve() {
            Tasks tasks = machine.tasks();
            GroupCommitLog log = new GroupCommitLog(tasks, machine.disk(), bug);
            log.open();
            compare(log.recovered());
            List<Tasks.Task> running = new ArrayList<>();
            for (int i = 0; i < clients; i++) {
                running.add(
                        tasks.spawn(
                                Tasks.Lane.LATENCY,
                                "client " + i,
                                () -> {
                                    for (int k = 0; k < appends || !stop; k++) {
                                        append(log);
                                        pause();
                                    }
                                }));
            }
            running.forEach(Tasks.Task::join);
            log.close();
        }

        /** Else, on a disk that takes no time, a life would be as many steps as nanoseconds. */
        private void pause() {
            if (random.oneIn(4)) {
                machine.tasks().sleep(1 + random.nextInt(50_000));
            }
        }

        private void append(GroupCommitLog log) {
            long number = next++;
            sent.add(number);
            log.append(number);
            acknowledged.add(number);
        }

        private void compare(List<Long> found) {
            TreeSet<Long> there = new TreeSet<>();
            for (long number : found) {
                Check.that(sent.contains(number), "recovered %d, which nobody sent", number);
                Check.that(there.add(number), "recovered %d twice", number);
            }
            for (long number : acknowledged) {
                Check.that(there.contains(number), "acknowledged %d, and it is not there", number);
            }
            Simulation s = machine.node().simulation();
            if (!there.isEmpty()) {
                s.probe("recovered");
            }
            if (there.size() < sent.size()) {
                s.probe("lost-unacknowledged");
            }
        }
    }
}
