package io.palimpsest.port;

/** Where ids and nonces come from: unguessable in production, seeded in the simulator. */
public interface Ids {
    long nextLong();
}
