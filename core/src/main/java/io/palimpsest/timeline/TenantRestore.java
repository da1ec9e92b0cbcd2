package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Ids;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectVersions;
import io.palimpsest.remote.GenerationClaim;
import io.palimpsest.remote.PastObjects;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.remote.TenantManifest.Entry;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Makes a tenant in the store what it was at an earlier moment, of a store that keeps versions
 * (decision 0101). Nothing is deleted and nothing replaced: what was is read, a new generation is
 * claimed, and its indexes and its manifest say what was. Whoever attaches the tenant next goes on
 * from there; whoever had it is fenced by the claim.
 *
 * <p>A layer that is there still, unchanged and named by the newest index, is named as it is. Any
 * other is copied to a name of the new generation: a deletion of the old name may be under way, and
 * no name comes again.
 */
public final class TenantRestore {
    /**
     * A timeline as it was.
     *
     * @param lsn up to which it was in the store
     * @param layers how many it had
     * @param bytes of them
     * @param lost keys of layers of which no version is left
     */
    public record Branch(TimelineId id, long lsn, int layers, long bytes, List<String> lost) {}

    /**
     * What was restored.
     *
     * @param copied layers, for which there was no other way
     */
    public record Outcome(Generation generation, int branches, int layers, int copied) {}

    private final RemoteStore store;
    private final ObjectVersions versions;
    private final TenantShardId tenant;
    private final PastObjects past;
    private final Generation then;
    private final TenantOverrides config;
    private final List<TimelineIndex> indexes;

    private TenantRestore(
            RemoteStore store,
            ObjectVersions versions,
            TenantShardId tenant,
            PastObjects past,
            TenantManifest then,
            List<TimelineIndex> indexes) {
        this.store = store;
        this.versions = versions;
        this.tenant = tenant;
        this.past = past;
        this.then = then.generation();
        this.config = then.config();
        this.indexes = indexes;
    }

    /**
     * Reads what was, and changes nothing.
     *
     * @param store as it is now
     * @param past all of the tenant's objects as they were
     * @param readPast the same, with requests tried again
     * @throws PageserverException NOT_FOUND if there was no such tenant then; CORRUPTION
     */
    public static TenantRestore plan(
            RemoteStore store,
            ObjectVersions versions,
            TenantShardId tenant,
            PastObjects past,
            RemoteStore readPast) {
        TenantManifest manifest = GenerationClaim.look(readPast, tenant).manifest();
        if (manifest == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "there was no manifest of tenant %s then", tenant);
        }
        if (manifest.state().gone()) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND,
                    "tenant %s was deleted by then; choose a time before its deletion",
                    tenant);
        }
        List<TimelineIndex> indexes = new ArrayList<>();
        for (Entry entry : manifest.timelines()) {
            if (entry.deleting()) {
                continue;
            }
            TimelineIndex index = read(readPast, manifest, entry);
            // The index says it first; whoever attaches such a timeline ends its deletion.
            if (!(index.state() instanceof TimelineState.Deleting)) {
                indexes.add(index);
            }
        }
        return new TenantRestore(store, versions, tenant, past, manifest, indexes);
    }

    /** As a server reads it that attaches the tenant. */
    private static TimelineIndex read(RemoteStore readPast, TenantManifest manifest, Entry entry) {
        TenantShardId tenant = manifest.tenant();
        TreeSet<Generation> generations =
                new TreeSet<>(Comparator.comparingInt(Generation::value).reversed());
        generations.add(manifest.generation());
        generations.add(entry.index());
        for (Generation generation : generations) {
            try {
                return RemoteIndex.read(readPast, tenant, entry.id(), generation);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.NOT_FOUND) {
                    throw e;
                }
            }
        }
        throw PageserverException.corruption(
                "%s: the manifest of then names this index, but there was no such object; choose another time",
                RemotePath.index(tenant, entry.id(), entry.index()));
    }

    /** The generation that held the tenant then. */
    public Generation generation() {
        return then;
    }

    public List<Branch> branches() {
        return indexes.stream().map(this::branch).toList();
    }

    private Branch branch(TimelineIndex index) {
        List<String> lost = new ArrayList<>();
        long bytes = 0;
        for (LayerDescriptor layer : index.layers()) {
            bytes += layer.size();
            if (source(index, layer) == null) {
                lost.add(RemotePath.layer(tenant, index.timeline(), layer.name()));
            }
        }
        return new Branch(
                index.timeline(), index.diskConsistentLsn(), index.layers().size(), bytes, lost);
    }

    /** The version to take; null if there is none of that length. */
    private ObjectVersions.@Nullable Version source(TimelineIndex index, LayerDescriptor layer) {
        ObjectVersions.Version version =
                past.lastPut(RemotePath.layer(tenant, index.timeline(), layer.name()));
        return version == null || version.length() != layer.size() ? null : version;
    }

    /**
     * Restores it. If it breaks off, the tenant is as before, but for the claim: a server that had
     * it is fenced, and comes back by attaching.
     *
     * @throws PageserverException PRECONDITION_FAILED if a layer is lost, or if somebody else has
     *     claimed the tenant meanwhile
     */
    public Outcome run(Ids ids, Clock clock) {
        for (Branch branch : branches()) {
            if (!branch.lost().isEmpty()) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "timeline %s cannot be restored: of %d of its %d layers no version is left, the first is %s; choose a later time",
                        branch.id(),
                        branch.lost().size(),
                        branch.layers(),
                        branch.lost().getFirst());
            }
        }
        GenerationClaim.Claim claim =
                GenerationClaim.claim(store, tenant, OptionalInt.empty(), ids, clock);
        Generation generation = claim.manifest().generation();
        // Read after the claim: from now on nobody deletes what these indexes name.
        SortedSet<String> named = named();
        List<Entry> entries = new ArrayList<>();
        int layers = 0;
        int copied = 0;
        for (TimelineIndex index : indexes) {
            List<LayerDescriptor> restored = new ArrayList<>();
            for (LayerDescriptor layer : index.layers()) {
                String key = RemotePath.layer(tenant, index.timeline(), layer.name());
                if (named.contains(key) && past.unchanged(key)) {
                    restored.add(layer);
                } else {
                    restored.add(copy(index, layer, generation));
                    copied++;
                }
            }
            layers += restored.size();
            TimelineIndex next = index.restored(generation, restored);
            String _ =
                    store.create(
                            RemotePath.index(tenant, index.timeline(), generation),
                            Content.of(TimelineIndexText.encode(next)));
            // It follows nobody: its source is further on, and may not have that WAL any more.
            entries.add(new Entry(index.timeline(), generation, false, null));
        }
        String _ =
                store.replace(
                        RemotePath.manifest(tenant, generation),
                        Content.of(claim.manifest().complete(config, entries).encode()),
                        claim.version());
        if (!GenerationClaim.valid(store, tenant, generation)) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "tenant %s was claimed by another server while it was restored, which may have it as it was before; stop that server and restore again",
                    tenant);
        }
        return new Outcome(generation, indexes.size(), layers, copied);
    }

    /** Keys of all layers that the newest indexes name; none of those that cannot be read. */
    private SortedSet<String> named() {
        TreeSet<String> named = new TreeSet<>();
        try {
            for (StoredTenant.Branch branch : StoredTenant.read(store, tenant).branches()) {
                for (LayerDescriptor layer : branch.layers()) {
                    named.add(RemotePath.layer(tenant, branch.id(), layer.name()));
                }
            }
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CORRUPTION) {
                throw e;
            }
        }
        return named;
    }

    private LayerDescriptor copy(
            TimelineIndex index, LayerDescriptor layer, Generation generation) {
        ObjectVersions.Version version = source(index, layer);
        if (version == null) {
            throw new IllegalStateException("no version of " + layer.name());
        }
        LayerName name = layer.name();
        LayerName renamed =
                new LayerName(
                        name.keys(),
                        name.startLsn(),
                        name.endLsn(),
                        name.image(),
                        name.shardNumber(),
                        name.shardCount(),
                        generation);
        String to = RemotePath.layer(tenant, index.timeline(), renamed);
        store.attempt(
                "copy version " + version.id() + " of " + version.key() + " to " + to,
                () -> {
                    versions.copy(version.key(), version.id(), to);
                    return to;
                });
        return new LayerDescriptor(renamed, layer.size(), layer.complete());
    }
}
