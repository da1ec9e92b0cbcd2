package io.palimpsest.timeline;

import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import java.util.function.Consumer;

/**
 * What all timelines of a server have in common.
 *
 * @param changed told when there may be background work for a timeline: it has flushed, or its
 *     cutoff may have moved. Called by whoever did it, so it must be brief and never block
 */
record Surroundings(
        Environment environment,
        Limits limits,
        TenantConfig config,
        BlockCache cache,
        Consumer<Timeline> changed) {
    Disk disk() {
        return environment.disk();
    }
}
