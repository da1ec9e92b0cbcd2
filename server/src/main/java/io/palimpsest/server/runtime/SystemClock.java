package io.palimpsest.server.runtime;

import io.palimpsest.port.Clock;

/** The machine's clocks. */
public final class SystemClock implements Clock {
    @Override
    public long monotonicNanos() {
        return System.nanoTime();
    }

    @Override
    public long wallMillis() {
        return System.currentTimeMillis();
    }
}
