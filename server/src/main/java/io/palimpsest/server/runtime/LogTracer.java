package io.palimpsest.server.runtime;

import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tracer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;
import org.slf4j.spi.LoggingEventBuilder;

/** Events as lines of the log; {@link LogLines} writes them. */
public final class LogTracer implements Tracer {
    static final String EVENT = "event";
    static final String SUBJECT = "subject";

    private final Logger log;

    /** {@code name} is the logger's, by which its level is configured. */
    public LogTracer(String name) {
        log = LoggerFactory.getLogger(name);
    }

    /** What a class of the server tells. */
    public LogTracer(Class<?> of) {
        log = LoggerFactory.getLogger(of);
    }

    @Override
    public void event(Event event, Subject subject, String detail) {
        event(event, subject, detail, null);
    }

    /** With the failure behind it, if it is a defect. */
    public void event(Event event, Subject subject, String detail, @Nullable Throwable failure) {
        LoggingEventBuilder line =
                log.atLevel(level(event)).addKeyValue(EVENT, event).addKeyValue(SUBJECT, subject);
        if (failure != null) {
            line = line.setCause(failure);
        }
        line.log(detail);
    }

    private static Level level(Event event) {
        return switch (event.level()) {
            case DEBUG -> Level.DEBUG;
            case INFO -> Level.INFO;
            case WARN -> Level.WARN;
            case ERROR -> Level.ERROR;
        };
    }
}
