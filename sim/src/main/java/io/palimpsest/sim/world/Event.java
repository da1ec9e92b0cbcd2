package io.palimpsest.sim.world;

/** Something that happens at a moment of virtual time. It is in the heap at most once. */
abstract class Event {
    long time;
    long sequence;

    /** Where it is in the heap, or -1. */
    int position = -1;

    /** Runs with no task current: it may wake tasks and schedule events, never wait. */
    abstract void fire();
}
