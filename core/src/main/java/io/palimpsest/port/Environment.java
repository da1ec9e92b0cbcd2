package io.palimpsest.port;

/** The world as the core gets it: one of these per running server, real or simulated. */
public record Environment(Clock clock, Tasks tasks, Disk disk, Net net, Ids ids, Tracer tracer) {}
