package io.palimpsest.timeline;

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
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Deletes what a store still has of timelines that are being deleted, in place of a page server
 * that did not come to it: the only layers and indexes that somebody who owns nothing may delete
 * (decision 0100).
 *
 * <p>That a timeline is being deleted counts if the manifest of the newest generation says so, and
 * there is no newer one after that was read: then every later owner reads the same. A manifest that
 * a fenced owner has written after it was taken over says nothing.
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
                        .filter(finding -> of(finding.key(), tenant) != null)
                        .toList();
        int objects = 0;
        long bytes = 0;
        for (int at = 0; at < doomed.size(); at += RemoteStore.PAGE) {
            TreeSet<TimelineId> deleting = new TreeSet<>();
            String refusal = read(store, tenant, deleting);
            if (refusal != null) {
                return new Outcome(objects, bytes, refusal);
            }
            List<String> keys = new ArrayList<>();
            for (Finding finding :
                    doomed.subList(at, Math.min(doomed.size(), at + RemoteStore.PAGE))) {
                if (deleting.contains(of(finding.key(), tenant))) {
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

    /**
     * @param deleting gets the timelines of which that is settled
     * @return why nobody can say; null if it can be said
     */
    private static @Nullable String read(
            RemoteStore store, TenantShardId tenant, SortedSet<TimelineId> deleting) {
        GenerationClaim.Newest newest = GenerationClaim.look(store, tenant);
        TenantManifest manifest = newest.manifest();
        if (manifest == null
                || manifest.generation().value() != newest.claimed()
                || !GenerationClaim.valid(store, tenant, manifest.generation())) {
            return "tenant " + tenant + " is being taken over by another server; try again";
        }
        for (TenantManifest.Entry entry : manifest.timelines()) {
            if (entry.deleting()) {
                deleting.add(entry.id());
            }
        }
        return null;
    }
}
