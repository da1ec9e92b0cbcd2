package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.port.ObjectStore.Entry;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.timeline.StoreReview;
import io.palimpsest.timeline.StoredTenant;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** The layers that the newest indexes of a store name. */
final class StoredLayers {
    /** A layer that an index names. */
    record Named(TenantShardId tenant, TimelineId branch, LayerDescriptor layer) {
        String key() {
            return RemotePath.layer(tenant, branch, layer.name());
        }
    }

    /**
     * What has to be read.
     *
     * @param proved how many others there are
     * @param oldest when the first of those was read; null if there are none
     */
    record Sorted(List<Named> unproved, int proved, @Nullable Instant oldest) {}

    private final RemoteStore store;
    private final boolean everyTenant;
    private final List<Named> all = new ArrayList<>();
    private final TreeSet<String> keys = new TreeSet<>();
    private final TreeSet<TenantShardId> tenants = new TreeSet<>();

    /** Of what nobody knows which layers it has: a tenant's manifests, or a branch. */
    private final TreeMap<String, String> failures = new TreeMap<>();

    private StoredLayers(RemoteStore store, boolean everyTenant) {
        this.store = store;
        this.everyTenant = everyTenant;
    }

    /**
     * @param only null: all tenants
     * @throws PageserverException NOT_FOUND if the store has nothing of that tenant
     */
    static StoredLayers read(RemoteStore store, @Nullable TenantShardId only) {
        StoredLayers layers = new StoredLayers(store, only == null);
        boolean any = false;
        for (TenantShardId tenant : only == null ? new StoreReview(store).list() : List.of(only)) {
            any |= layers.add(tenant);
        }
        if (only != null && !any) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "the store has nothing of tenant %s", only);
        }
        return layers;
    }

    /** Whether there is such a tenant. */
    private boolean add(TenantShardId tenant) {
        tenants.add(tenant);
        StoredTenant stored;
        try {
            stored = StoredTenant.read(store, tenant);
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CORRUPTION) {
                throw e;
            }
            failures.put(RemotePath.manifests(tenant), String.valueOf(e.getMessage()));
            return true;
        }
        for (StoredTenant.Branch branch : stored.branches()) {
            if (branch.failure() != null) {
                failures.put(RemotePath.timeline(tenant, branch.id()) + "/", branch.failure());
            }
            for (LayerDescriptor layer : branch.layers()) {
                Named named = new Named(tenant, branch.id(), layer);
                all.add(named);
                keys.add(named.key());
            }
        }
        return stored.claimed() > 0;
    }

    List<Named> all() {
        return new ArrayList<>(all);
    }

    /** What is wrong with an index or a manifest, by how its key starts. */
    Map<String, String> failures() {
        return failures;
    }

    /**
     * Those of which there is no proof that counts. A proof counts if a list still shows the object
     * that was read; what the list lacks or shows otherwise is read, and then it is known.
     */
    Sorted sort(Proofs proofs, Instant earliest) {
        TreeMap<String, Entry> there = new TreeMap<>();
        for (TenantShardId tenant : tenants) {
            store.listAll(
                    RemotePath.tenant(tenant) + "/",
                    true,
                    page -> page.objects().forEach(entry -> there.put(entry.key(), entry)));
        }
        List<Named> unproved = new ArrayList<>();
        int proved = 0;
        Instant oldest = null;
        for (Named named : all) {
            Proofs.Proof proof = proofs.find(named.key());
            Entry entry = there.get(named.key());
            if (proof == null
                    || entry == null
                    || !proof.since(earliest)
                    || !proof.holds(entry)
                    || proof.length() != named.layer().size()) {
                unproved.add(named);
                continue;
            }
            proved++;
            Instant when = Instant.ofEpochMilli(proof.provedMillis());
            oldest = oldest == null || when.isBefore(oldest) ? when : oldest;
        }
        return new Sorted(unproved, proved, oldest);
    }

    /**
     * Whether that object is no layer any more that something names. What could not be read, or was
     * not asked for, may still name it.
     */
    boolean gone(String key) {
        return !keys.contains(key)
                && (!(RemoteKey.of(key) instanceof RemoteKey.Layer layer)
                        || (everyTenant || tenants.contains(layer.tenant()))
                                && failures.keySet().stream().noneMatch(key::startsWith)
                                && !failures.containsKey(RemotePath.manifests(layer.tenant())));
    }
}
