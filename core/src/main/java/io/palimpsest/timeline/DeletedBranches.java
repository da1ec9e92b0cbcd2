package io.palimpsest.timeline;

import io.palimpsest.base.Generation;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.remote.GenerationClaim;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.timeline.StoreReview.Finding;
import io.palimpsest.timeline.StoreReview.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Deletes what a store still has of timelines that are being deleted, in place of a page server
 * that did not come to it: the only layers and indexes that somebody who owns nothing may delete
 * (decision 0100).
 *
 * <p>That a timeline is being deleted counts if the manifest of the newest generation says so, and
 * there is no newer one after that was read: then every later owner reads the same. A manifest that
 * a fenced owner has written after it was taken over says nothing. The same holds for a tenant that
 * is deleted as a whole.
 */
public final class DeletedBranches {
    /**
     * What was done.
     *
     * @param bytes of the objects, as they were listed
     * @param refusal why something was left; null if nothing was
     */
    public record Outcome(int objects, long bytes, @Nullable String refusal) {}

    private DeletedBranches() {}

    /**
     * Deletes those of the findings that are of the kind DELETING and of that tenant. Whether they
     * still are is asked before each batch.
     */
    public static Outcome delete(RemoteStore store, TenantShardId tenant, List<Finding> findings) {
        List<Finding> doomed =
                findings.stream()
                        .filter(finding -> finding.kind() == Kind.DELETING)
                        .filter(finding -> isOf(finding.key(), tenant))
                        .toList();
        int objects = 0;
        long bytes = 0;
        for (int at = 0; at < doomed.size(); at += RemoteStore.PAGE) {
            TreeSet<TimelineId> deleting = new TreeSet<>();
            TenantManifest manifest = newest(store, tenant);
            if (manifest == null) {
                return new Outcome(
                        objects,
                        bytes,
                        "tenant " + tenant + " is being taken over by another server; try again");
            }
            for (TenantManifest.Entry entry : manifest.timelines()) {
                if (entry.deleting()) {
                    deleting.add(entry.id());
                }
            }
            List<String> keys = new ArrayList<>();
            for (Finding finding :
                    doomed.subList(at, Math.min(doomed.size(), at + RemoteStore.PAGE))) {
                TimelineId of = of(finding.key(), tenant);
                if (manifest.state().gone()
                        ? upTo(manifest.generation(), finding.key())
                        : of != null && deleting.contains(of)) {
                    keys.add(finding.key());
                    objects++;
                    bytes += finding.bytes();
                }
            }
            if (!keys.isEmpty()) {
                store.delete(keys);
            }
        }
        return new Outcome(objects, bytes, null);
    }

    private static boolean isOf(String key, TenantShardId tenant) {
        return of(key, tenant) != null
                || RemoteKey.of(key) instanceof RemoteKey.Hints hints
                        && hints.tenant().equals(tenant);
    }

    /** The timeline that the object belongs to; null if it is none of that tenant. */
    private static @Nullable TimelineId of(String key, TenantShardId tenant) {
        return switch (RemoteKey.of(key)) {
            case RemoteKey.Layer layer when layer.tenant().equals(tenant) -> layer.timeline();
            case RemoteKey.Index index when index.tenant().equals(tenant) -> index.timeline();
            case RemoteKey.Layer _,
                    RemoteKey.Index _,
                    RemoteKey.Manifest _,
                    RemoteKey.Hints _,
                    RemoteKey.Foreign _ ->
                    null;
        };
    }

    /** Of a tenant that is gone: somebody may restore it, under a later generation. */
    private static boolean upTo(Generation newest, String key) {
        return switch (RemoteKey.of(key)) {
            case RemoteKey.Layer layer -> layer.name().generation().value() <= newest.value();
            case RemoteKey.Index index -> index.generation().value() <= newest.value();
            // It is a hint: whoever needs it puts it again.
            case RemoteKey.Hints _ -> true;
            case RemoteKey.Manifest _, RemoteKey.Foreign _ -> false;
        };
    }

    /** What is settled; null if nobody can say. */
    private static @Nullable TenantManifest newest(RemoteStore store, TenantShardId tenant) {
        GenerationClaim.Newest newest = GenerationClaim.look(store, tenant);
        TenantManifest manifest = newest.manifest();
        return manifest == null
                        || manifest.generation().value() != newest.claimed()
                        || !GenerationClaim.valid(store, tenant, manifest.generation())
                ? null
                : manifest;
    }
}
