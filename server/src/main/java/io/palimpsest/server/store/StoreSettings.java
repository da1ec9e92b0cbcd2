package io.palimpsest.server.store;

import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Where the object store is, as configured. No secret is in here, so that all of it can be told.
 */
public sealed interface StoreSettings {
    /** Requests at once, at most. */
    int concurrencyLimit();

    /** A directory. */
    record Local(Path path) implements StoreSettings {
        @Override
        public int concurrencyLimit() {
            return 100;
        }
    }

    /**
     * A bucket of S3, or of what speaks like it.
     *
     * @param prefix of all keys: "" or ending in '/'
     * @param endpoint null: Amazon's own
     */
    record S3(
            String bucket,
            String region,
            String prefix,
            @Nullable String endpoint,
            @Nullable String storageClass,
            Bounds bounds)
            implements StoreSettings {
        @Override
        public int concurrencyLimit() {
            return bounds.concurrencyLimit;
        }
    }

    /**
     * A container of Azure's blob storage.
     *
     * @param prefix of all keys: "" or ending in '/'
     * @param endpoint null: Azure's own
     * @param idleConnections kept open for the next request, at most; of all such stores of this
     *     process
     * @param blockSize bytes of a piece of a large object
     */
    record Azure(
            String container,
            String account,
            String region,
            String prefix,
            @Nullable String endpoint,
            int idleConnections,
            int blockSize,
            Bounds bounds)
            implements StoreSettings {
        public static final int IDLE_CONNECTIONS = 8;
        public static final int BLOCK_SIZE = Pieces.SIZE;

        /** With the usual connections and blocks. */
        public Azure(
                String container,
                String account,
                String region,
                String prefix,
                @Nullable String endpoint,
                Bounds bounds) {
            this(
                    container,
                    account,
                    region,
                    prefix,
                    endpoint,
                    IDLE_CONNECTIONS,
                    BLOCK_SIZE,
                    bounds);
        }

        @Override
        public int concurrencyLimit() {
            return bounds.concurrencyLimit;
        }
    }

    /**
     * What a store over a network is held to.
     *
     * @param concurrencyLimit requests at once
     * @param listPage keys of a page of a list, at most
     * @param timeout for a request with an object's bytes, and for each piece of a large one
     * @param smallTimeout for one without
     */
    record Bounds(int concurrencyLimit, int listPage, Duration timeout, Duration smallTimeout) {
        public static final Bounds DEFAULT =
                new Bounds(100, 1000, Duration.ofSeconds(120), Duration.ofSeconds(30));
    }
}
