package io.palimpsest.timeline;

import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What all timelines of a server have in common.
 *
 * @param housekeeping who does their background work
 * @param structure counts detachments and deletions: a read during which it has changed may have
 *     gone to an ancestor that keeps nothing for it any more
 * @param sizes of relations that reads have found
 */
record Surroundings(
        Environment environment,
        Limits limits,
        TenantConfig config,
        BlockCache cache,
        Housekeeping housekeeping,
        AtomicInteger structure,
        KnownSizes sizes) {
    Surroundings(
            Environment environment,
            Limits limits,
            TenantConfig config,
            BlockCache cache,
            Housekeeping housekeeping) {
        this(
                environment,
                limits,
                config,
                cache,
                housekeeping,
                new AtomicInteger(),
                new KnownSizes());
    }

    Disk disk() {
        return environment.disk();
    }
}
