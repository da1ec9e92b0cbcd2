package io.palimpsest.sim.crash;

import io.palimpsest.base.Check;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.TenantManifest;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** What is in an object store, by key. Immutable. */
final class StoreState {
    static final StoreState EMPTY = new StoreState(new TreeMap<>(), 1);

    /** An object. */
    record Body(byte[] bytes, int crc32c, String version) {}

    private final SortedMap<String, Body> objects;
    private final long nextVersion;
    private final long hash;

    private StoreState(SortedMap<String, Body> objects, long nextVersion) {
        this.objects = Collections.unmodifiableSortedMap(objects);
        this.nextVersion = nextVersion;
        long h = 1;
        for (Map.Entry<String, Body> e : objects.entrySet()) {
            h = DiskState.mix(h ^ e.getKey().hashCode()) + e.getValue().crc32c;
        }
        hash = DiskState.mix(h);
    }

    SortedMap<String, Body> objects() {
        return objects;
    }

    @Nullable Body object(String key) {
        return objects.get(key);
    }

    String nextVersion() {
        return Long.toString(nextVersion);
    }

    /** The same, and what is put from now on has other versions than what was asked for before. */
    StoreState later() {
        return new StoreState(new TreeMap<>(objects), nextVersion + 1_000_000);
    }

    /** Of keys and bodies, not of their versions. */
    long hash() {
        return hash;
    }

    /** What it is when that was done; null if its condition does not hold. */
    @Nullable StoreState after(JournalStore.Request request) {
        TreeMap<String, Body> then = new TreeMap<>(objects);
        switch (request) {
            case JournalStore.Request.Put(String key, Body body, Condition condition) -> {
                if (!holds(condition, objects.get(key))) {
                    return null;
                }
                then.put(key, body);
            }
            case JournalStore.Request.Delete(String key) -> then.remove(key);
        }
        return new StoreState(then, nextVersion + 1);
    }

    private static boolean holds(Condition condition, @Nullable Body there) {
        return switch (condition) {
            case Condition.Always _ -> true;
            case Condition.Absent _ -> there == null;
            case Condition.Version v -> there != null && there.version.equals(v.version());
        };
    }

    /**
     * What the newest manifest names is there: the index of each timeline that is not being
     * deleted, and the layers of that index.
     */
    void checkNamed(TenantShardId tenant) {
        TenantManifest newest = newestManifest(tenant);
        if (newest == null) {
            return;
        }
        for (TenantManifest.Entry entry : newest.timelines()) {
            if (entry.deleting()) {
                continue;
            }
            String ours = RemotePath.index(tenant, entry.id(), newest.generation());
            String key =
                    objects.containsKey(ours)
                            ? ours
                            : RemotePath.index(tenant, entry.id(), entry.index());
            Body index = objects.get(key);
            if (index == null) {
                throw new AssertionError(
                        "manifest "
                                + newest.generation()
                                + " names the index "
                                + key
                                + ", which is not there");
            }
            checkLayers(RemotePath.timeline(tenant, entry.id()), key, index);
        }
    }

    /** A tenant that was deleted leaves what tells so, and nothing else. */
    void checkGone(TenantShardId tenant) {
        TenantManifest newest = newestManifest(tenant);
        if (newest == null || !newest.state().gone()) {
            return;
        }
        for (String key : objects.keySet()) {
            Check.that(
                    RemoteKey.of(key) instanceof RemoteKey.Manifest,
                    "the tenant was deleted, and this is left of it: %s",
                    key);
        }
    }

    private void checkLayers(String directory, String key, Body index) {
        String text = new String(index.bytes, StandardCharsets.UTF_8);
        for (String line : text.split("\n", -1)) {
            if (line.startsWith("layer ")) {
                String layer = directory + "/" + line.split(" ", -1)[1];
                Check.that(
                        objects.containsKey(layer), "%s names %s, which is not there", key, layer);
            }
        }
    }

    private @Nullable TenantManifest newestManifest(TenantShardId tenant) {
        TenantManifest newest = null;
        for (Map.Entry<String, Body> e : objects.entrySet()) {
            if (RemoteKey.of(e.getKey()) instanceof RemoteKey.Manifest m
                    && m.tenant().equals(tenant)) {
                TenantManifest found = TenantManifest.decode(e.getValue().bytes, m.key());
                newest = found.complete() ? found : newest;
            }
        }
        return newest;
    }
}
