package io.palimpsest.port;

/**
 * The world as the core gets it: one of these per running server, real or simulated.
 *
 * @param redo PostgreSQL's own redo, where there is one
 */
public record Environment(
        Clock clock, Tasks tasks, Disk disk, Net net, Ids ids, Tracer tracer, RedoEngine redo) {
    /** A world without PostgreSQL's own redo. */
    public Environment(Clock clock, Tasks tasks, Disk disk, Net net, Ids ids, Tracer tracer) {
        this(clock, tasks, disk, net, ids, tracer, RedoEngine.NONE);
    }
}
