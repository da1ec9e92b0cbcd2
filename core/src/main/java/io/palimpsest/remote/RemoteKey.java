package io.palimpsest.remote;

import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerName;

/**
 * What an object is by its key alone: the reverse of {@link RemotePath}. Keys come from a bucket
 * that anybody may have written to, so whatever {@link RemotePath} would not have made exactly so
 * is {@link Foreign}.
 */
public sealed interface RemoteKey {
    /** As it stands in the store. */
    String key();

    /** A claim of a generation. */
    record Manifest(String key, TenantShardId tenant, Generation generation) implements RemoteKey {}

    /** What a secondary location keeps ready. */
    record Hints(String key, TenantShardId tenant) implements RemoteKey {}

    /** A timeline's index, as the holder of that generation has put it. */
    record Index(String key, TenantShardId tenant, TimelineId timeline, Generation generation)
            implements RemoteKey {}

    record Layer(String key, TenantShardId tenant, TimelineId timeline, LayerName name)
            implements RemoteKey {}

    /** None of ours. */
    record Foreign(String key) implements RemoteKey {}

    static RemoteKey of(String key) {
        try {
            RemoteKey found = parse(key);
            return spelled(found).equals(key) ? found : new Foreign(key);
        } catch (PageserverException | IllegalArgumentException | IndexOutOfBoundsException e) {
            return new Foreign(key);
        }
    }

    private static RemoteKey parse(String key) {
        String[] parts = key.split("/", -1);
        if (!parts[0].equals(RemotePath.TENANTS)) {
            return new Foreign(key);
        }
        TenantShardId tenant = TenantShardId.parse(parts[1]);
        if (parts.length == 3 && parts[2].startsWith("manifest-")) {
            return new Manifest(key, tenant, generation(parts[2].substring("manifest-".length())));
        }
        if (parts.length == 3) {
            return new Hints(key, tenant);
        }
        if (parts.length != 5 || !parts[2].equals("timelines")) {
            return new Foreign(key);
        }
        TimelineId timeline = TimelineId.parse(parts[3]);
        return parts[4].startsWith("index-")
                ? new Index(
                        key, tenant, timeline, generation(parts[4].substring("index-".length())))
                : new Layer(key, tenant, timeline, LayerName.parse(parts[4]));
    }

    private static Generation generation(String text) {
        int value = Integer.parseInt(text, 16);
        if (value <= 0) {
            throw new NumberFormatException("generation " + text);
        }
        return new Generation(value);
    }

    private static String spelled(RemoteKey key) {
        return switch (key) {
            case Manifest m -> RemotePath.manifest(m.tenant, m.generation);
            case Hints h -> RemotePath.heatmap(h.tenant);
            case Index i -> RemotePath.index(i.tenant, i.timeline, i.generation);
            case Layer l -> RemotePath.layer(l.tenant, l.timeline, l.name);
            case Foreign f -> f.key;
        };
    }
}
