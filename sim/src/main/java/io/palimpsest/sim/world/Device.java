package io.palimpsest.sim.world;

/** Hardware of a node, which outlives its processes. */
public interface Device {
    /** The node's power is gone: none of its tasks runs again. */
    void powerLost();
}
