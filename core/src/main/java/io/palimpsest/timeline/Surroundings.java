package io.palimpsest.timeline;

import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * What all timelines of a server have in common.
 *
 * @param changed told when there may be background work for a timeline: it has flushed, or its
 *     cutoff may have moved. Called by whoever did it, so it must be brief and never block
 * @param structure counts detachments and deletions: a read during which it has changed may have
 *     gone to an ancestor that keeps nothing for it any more
 */
record Surroundings(
        Environment environment,
        Limits limits,
        TenantConfig config,
        BlockCache cache,
        Consumer<Timeline> changed,
        AtomicInteger structure) {
    Surroundings(
            Environment environment,
            Limits limits,
            TenantConfig config,
            BlockCache cache,
            Consumer<Timeline> changed) {
        this(environment, limits, config, cache, changed, new AtomicInteger());
    }

    Disk disk() {
        return environment.disk();
    }
}
