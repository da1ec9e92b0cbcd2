package io.palimpsest.sim.world;

import io.palimpsest.port.Tasks;

/** A task is about to get no processor, at the worst of moments. */
final class Stall {
    private final Tasks.Task until;
    private final long nanos;
    private int locks;

    /**
     * @param locks are taken or given up before
     * @param until it has ended
     * @param nanos at most
     */
    Stall(int locks, Tasks.Task until, long nanos) {
        this.locks = locks;
        this.until = until;
        this.nanos = nanos;
    }

    /** At one more lock, with none held: now? */
    boolean due() {
        return locks-- <= 0;
    }

    Tasks.Task until() {
        return until;
    }

    long nanos() {
        return nanos;
    }
}
