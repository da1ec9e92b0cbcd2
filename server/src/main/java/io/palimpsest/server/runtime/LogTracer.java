package io.palimpsest.server.runtime;

import io.palimpsest.port.Tracer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Events as lines of the log: the code first, then the detail. */
public final class LogTracer implements Tracer {
    private final Logger log;

    /** {@code name} is the logger's, by which its level is configured. */
    public LogTracer(String name) {
        log = LoggerFactory.getLogger(name);
    }

    @Override
    public void event(Level level, String event, String detail) {
        switch (level) {
            case DEBUG -> log.debug("{}: {}", event, detail);
            case INFO -> log.info("{}: {}", event, detail);
            case WARN -> log.warn("{}: {}", event, detail);
            case ERROR -> log.error("{}: {}", event, detail);
        }
    }
}
