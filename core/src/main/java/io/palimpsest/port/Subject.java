package io.palimpsest.port;

import io.palimpsest.base.Check;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import org.jspecify.annotations.Nullable;

/**
 * Whom an event is about.
 *
 * @param tenant null: the server as a whole
 * @param timeline null: no single one
 * @param branch what the timeline says that it is called, if that is known without asking anybody
 */
public record Subject(
        @Nullable TenantShardId tenant, @Nullable TimelineId timeline, @Nullable String branch) {
    /** No tenant in particular. */
    public static final Subject SERVER = new Subject(null, null, null);

    public Subject {
        Check.that(timeline == null || tenant != null, "a timeline of no tenant");
        Check.that(branch == null || timeline != null, "a branch that is no timeline");
    }

    public static Subject of(TenantShardId tenant) {
        return new Subject(tenant, null, null);
    }

    public static Subject of(TenantShardId tenant, TimelineId timeline) {
        return new Subject(tenant, timeline, null);
    }

    /** As the simulator's trace has it; empty for the server. */
    @Override
    public String toString() {
        if (tenant == null) {
            return "";
        }
        String of = timeline == null ? "" : ", timeline " + timeline;
        return "tenant " + tenant + of + (branch == null ? "" : " (" + branch + ")");
    }
}
