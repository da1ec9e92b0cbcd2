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
 * @param configs what holds for each tenant
 * @param housekeeping who does their background work
 * @param structure counts detachments and deletions: a read during which it has changed may have
 *     gone to an ancestor that keeps nothing for it any more
 * @param sizes of relations that reads have found
 * @param operations the long work that is asked for
 */
record Surroundings(
        Environment environment,
        Limits limits,
        TenantConfigs configs,
        BlockCache cache,
        Housekeeping housekeeping,
        AtomicInteger structure,
        KnownSizes sizes,
        Operations operations) {
    Surroundings(
            Environment environment,
            Limits limits,
            TenantConfig config,
            BlockCache cache,
            Housekeeping housekeeping) {
        this(
                environment,
                limits,
                new TenantConfigs(config),
                cache,
                housekeeping,
                new AtomicInteger(),
                new KnownSizes(),
                new Operations(environment.clock()));
    }

    Disk disk() {
        return environment.disk();
    }
}
