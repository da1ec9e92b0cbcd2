package io.palimpsest.sim.world;

/**
 * A fault that has struck.
 *
 * @param number it was the n-th that was to strike, from 0
 * @param nanos when, since the start
 * @param where the node, or what stands outside of all nodes
 */
public record Fault(int number, long nanos, String where, String what) {}
