package io.palimpsest.remote;

import io.palimpsest.base.Generation;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerName;
import java.util.Locale;

/**
 * What is stored under which key:
 *
 * <pre>
 *   tenants/&lt;tenant shard&gt;/manifest-&lt;generation&gt;                      what timelines there are; making it claims the generation
 *   tenants/&lt;tenant shard&gt;/heatmap-v1.json                            what layers the owner has on its disk: a hint
 *   tenants/&lt;tenant shard&gt;/timelines/&lt;timeline&gt;/index-&lt;generation&gt;  what layers there are, as that generation's holder has written it
 *   tenants/&lt;tenant shard&gt;/timelines/&lt;timeline&gt;/&lt;layer name&gt;          a layer file, put once
 * </pre>
 */
public final class RemotePath {
    public static final String TENANTS = "tenants";

    private RemotePath() {}

    /** An object that is put to see what a store does, and deleted at once. */
    static String probe(long random) {
        return String.format(Locale.ROOT, "palimpsest-store-check/%016x", random);
    }

    /** What all keys of a tenant start with, but for the '/' that follows. */
    public static String tenant(TenantShardId tenant) {
        return TENANTS + "/" + tenant;
    }

    /** What all keys of manifests start with; the generation follows. */
    public static String manifests(TenantShardId tenant) {
        return tenant(tenant) + "/manifest-";
    }

    public static String manifest(TenantShardId tenant, Generation generation) {
        return manifests(tenant) + generation;
    }

    /** Which layers are on the owner's disk. */
    public static String heatmap(TenantShardId tenant) {
        return tenant(tenant) + "/heatmap-v1.json";
    }

    /** What all keys of a timeline start with, but for the '/' that follows. */
    public static String timeline(TenantShardId tenant, TimelineId timeline) {
        return tenant(tenant) + "/timelines/" + timeline;
    }

    public static String index(TenantShardId tenant, TimelineId timeline, Generation generation) {
        return timeline(tenant, timeline) + "/index-" + generation;
    }

    public static String layer(TenantShardId tenant, TimelineId timeline, LayerName layer) {
        return timeline(tenant, timeline) + "/" + layer;
    }
}
