package io.palimpsest.timeline;

import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;

/** A scenario of one task on one sound machine, which must leave nothing behind. */
interface OneMachine extends Scenario {
    void onMachine(Machine machine);

    @Override
    default void run(Simulation s) {
        Machine machine =
                new Machine(new SimNet(s, FaultPlan.quiet()), "server", FaultPlan.quiet());
        machine.start("test", () -> onMachine(machine)).join();
        machine.checkIdle();
    }
}
