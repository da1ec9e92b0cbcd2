package io.palimpsest.port;

/** What happened, for a log in production and for the trace (and its hash) in the simulator. */
public interface Tracer {
    /**
     * @param subject whom it is about: not said again in the detail
     * @param detail for people
     */
    void event(Event event, Subject subject, String detail);

    /** Of the server as a whole. */
    default void event(Event event, String detail) {
        event(event, Subject.SERVER, detail);
    }
}
