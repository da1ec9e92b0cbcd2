package io.palimpsest.regress;

import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tracer;

/** A log of what is wrong: among what goes well, a bench's figures would not be found. */
public record WarningsOnly(Tracer log) implements Tracer {
    @Override
    public void event(Event event, Subject subject, String detail) {
        if (event.level().compareTo(Event.Level.WARN) >= 0) {
            log.event(event, subject, detail);
        }
    }
}
