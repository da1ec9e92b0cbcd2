package io.palimpsest.regress;

import io.palimpsest.port.Tracer;

/** A log of what is wrong: among what goes well, a bench's figures would not be found. */
public record WarningsOnly(Tracer log) implements Tracer {
    @Override
    public void event(Level level, String event, String detail) {
        if (level.compareTo(Level.WARN) >= 0) {
            log.event(level, event, detail);
        }
    }
}
