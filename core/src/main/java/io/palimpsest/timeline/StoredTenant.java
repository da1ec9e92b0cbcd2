package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.remote.GenerationClaim;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;
import org.jspecify.annotations.Nullable;

/**
 * A tenant as its objects in the store tell, for tools: nothing is claimed, written or deleted, so
 * that it can be looked at while a server owns it. What that server changes meanwhile is seen or
 * not.
 *
 * @param claimed the newest generation; 0 if there is none
 * @param gone it was deleted, or is being deleted: nothing of it is needed
 * @param branches that the newest complete manifest names, by id
 */
public record StoredTenant(TenantShardId tenant, int claimed, boolean gone, List<Branch> branches) {
    /**
     * A timeline.
     *
     * @param deleting nothing of it is needed
     * @param index key of its newest index; null if there is none
     * @param generation of that index, 0 without
     * @param layers that it names
     * @param removed layers that its owner is about to delete
     * @param failure why the index cannot be used; null if it can, or is not needed
     */
    public record Branch(
            TimelineId id,
            boolean deleting,
            @Nullable String index,
            int generation,
            List<LayerDescriptor> layers,
            List<LayerName> removed,
            @Nullable String failure) {
        private static Branch without(TenantManifest.Entry entry, @Nullable String failure) {
            return new Branch(entry.id(), entry.deleting(), null, 0, List.of(), List.of(), failure);
        }
    }

    /**
     * @throws PageserverException CORRUPTION if a manifest is damaged; what is wrong with an index
     *     its branch says
     */
    public static StoredTenant read(RemoteStore store, TenantShardId tenant) {
        GenerationClaim.Newest newest = GenerationClaim.look(store, tenant);
        TenantManifest manifest = newest.manifest();
        List<Branch> branches = new ArrayList<>();
        if (manifest != null) {
            for (TenantManifest.Entry entry : manifest.timelines()) {
                branches.add(
                        entry.deleting()
                                ? Branch.without(entry, null)
                                : branch(store, manifest, entry));
            }
        }
        return new StoredTenant(
                tenant,
                newest.claimed(),
                manifest != null && manifest.state().gone(),
                List.copyOf(branches));
    }

    private static Branch branch(
            RemoteStore store, TenantManifest manifest, TenantManifest.Entry entry) {
        SequencedSet<Generation> generations = new LinkedHashSet<>();
        generations.add(manifest.generation());
        generations.add(entry.index());
        for (Generation generation : generations) {
            String key = RemotePath.index(manifest.tenant(), entry.id(), generation);
            try {
                TimelineIndex index =
                        RemoteIndex.read(store, manifest.tenant(), entry.id(), generation);
                return new Branch(
                        entry.id(),
                        false,
                        key,
                        generation.value(),
                        index.layers(),
                        index.removed(),
                        null);
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.CORRUPTION) {
                    return new Branch(
                            entry.id(),
                            false,
                            key,
                            generation.value(),
                            List.of(),
                            List.of(),
                            String.valueOf(e.getMessage()));
                }
                if (e.code() != ErrorCode.NOT_FOUND) {
                    throw e;
                }
            }
        }
        return lost(store, manifest, entry);
    }

    /** Its owner may have deleted it meanwhile, or another one may have taken the tenant over. */
    private static Branch lost(
            RemoteStore store, TenantManifest manifest, TenantManifest.Entry entry) {
        TenantManifest now = GenerationClaim.look(store, manifest.tenant()).manifest();
        TenantManifest.Entry still =
                now == null
                        ? null
                        : now.timelines().stream()
                                .filter(e -> e.id().equals(entry.id()))
                                .findFirst()
                                .orElse(null);
        if (now == null || still == null || still.deleting()) {
            return new Branch(entry.id(), true, null, 0, List.of(), List.of(), null);
        }
        if (!now.generation().equals(manifest.generation())
                || !still.index().equals(entry.index())) {
            return branch(store, now, still);
        }
        return Branch.without(
                entry,
                "the manifest names index " + entry.index() + ", but there is no such object");
    }
}
