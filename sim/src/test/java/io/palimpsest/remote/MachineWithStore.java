package io.palimpsest.remote;

import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.StoreFaults;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;

/** A story of one task on one sound machine beside an object store without faults so far. */
interface MachineWithStore {
    void run(Simulation simulation, Machine machine, SimObjectStore store);

    /** Tells it with that many seeds; nothing may be left on the machine. */
    static void each(String name, int seeds, MachineWithStore story) {
        Scenario scenario =
                new Scenario() {
                    @Override
                    public String name() {
                        return name;
                    }

                    @Override
                    public void run(Simulation s) {
                        FaultPlan plan = FaultPlan.quiet();
                        Machine m = new Machine(new SimNet(s, plan), "m", plan);
                        SimObjectStore store = new SimObjectStore(s, StoreFaults.quiet());
                        m.start("body", () -> story.run(s, m, store)).join();
                        m.checkIdle();
                    }
                };
        for (long seed = 0; seed < seeds; seed++) {
            Simulation.run(scenario, seed).check();
        }
    }
}
