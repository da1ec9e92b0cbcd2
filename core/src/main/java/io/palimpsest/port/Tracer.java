package io.palimpsest.port;

/** What happened, for a log in production and for the trace (and its hash) in the simulator. */
public interface Tracer {
    enum Level {
        DEBUG,
        INFO,
        WARN,
        ERROR
    }

    /** {@code event} is a stable short code in kebab-case; {@code detail} is for people. */
    void event(Level level, String event, String detail);

    default void info(String event, String detail) {
        event(Level.INFO, event, detail);
    }

    default void warn(String event, String detail) {
        event(Level.WARN, event, detail);
    }

    default void error(String event, String detail) {
        event(Level.ERROR, event, detail);
    }
}
