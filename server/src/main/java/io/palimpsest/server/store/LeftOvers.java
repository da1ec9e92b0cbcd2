package io.palimpsest.server.store;

import java.time.Duration;
import java.util.List;

/**
 * What puts that were broken off have left in a store: it takes room, and no list of objects shows
 * it. A put that is still under way and whose beginnings are deleted fails, and is tried again.
 */
public sealed interface LeftOvers permits S3Store, LocalStore, AzureStore {
    /**
     * The beginning of an object.
     *
     * @param name for people
     * @param id the store's own
     * @param begunMillis when it was begun or last added to, by the store's clock
     * @param bytes 0 if the store does not say
     */
    record LeftOver(String name, String id, long begunMillis, long bytes) {}

    /** Those that were begun that long ago, under our prefix. */
    List<LeftOver> leftOvers(Duration age);

    /** One that is not there any more is fine. */
    void delete(LeftOver leftOver);
}
