package io.palimpsest.service;

import io.palimpsest.base.Label;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import org.jspecify.annotations.Nullable;

/**
 * After a failover that has lost what a timeline has: a branch of what both have follows the source
 * from there ({@link Tenants#rewind}), and is called what the timeline was.
 */
final class Rewinding {
    private Rewinding() {}

    /** See {@link Management#rewind}; what cannot be is refused before any work. */
    static Timeline run(
            Tenants tenants,
            TenantId tenant,
            TimelineId timeline,
            TimelineId newId,
            @Nullable Label preserveUnder) {
        Timeline former = tenants.timeline(tenant, timeline);
        Label name = tenants.names().of(former);
        // If it is called so by now, it has given its name away before.
        boolean again = preserveUnder != null && preserveUnder.equals(name);
        tenants.names().checkGives(former, again ? null : preserveUnder);
        Timeline branch = tenants.rewind(tenant, timeline, newId);
        if (name != null && tenants.names().of(branch) == null) {
            tenants.names().take(branch, name, preserveUnder);
        }
        return branch;
    }
}
