package io.palimpsest.tenant;

import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.timeline.Timeline;

/** The tenants of this server. (Signatures first; the body follows.) */
public final class Tenants {
    /** The timeline, ready to be read; NOT_FOUND if it is not here. */
    public Timeline timeline(TenantId tenant, TimelineId timeline) {
        throw new UnsupportedOperationException("" + tenant + timeline);
    }
}
