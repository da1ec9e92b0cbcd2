package io.palimpsest.sim.workload;

import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Node;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.timeline.Timeline;

/** How far a timeline is, for who looks at a recording. */
final class Watermarks {
    private Watermarks() {}

    static void of(Machine machine, Timeline timeline) {
        Node node = machine.node();
        Simulation s = node.simulation();
        s.watermark(node, "last record", timeline.lastRecordLsn());
        s.watermark(node, "durable here", timeline.diskConsistentLsn());
        s.watermark(node, "cutoff", timeline.oldestReadableLsn());
        long stored = timeline.remoteConsistentLsn();
        if (stored > 0) {
            s.watermark(node, "in the store", stored);
        }
    }
}
