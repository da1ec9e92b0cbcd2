package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What is in a store against what its indexes name: what is missing, and what nobody names. It
 * changes nothing, and owners go on meanwhile.
 *
 * <p>Objects are listed first and indexes read afterwards. A layer that an index names and the list
 * lacks may have been put in between; so it is asked for by its key, and then the index once more:
 * it is missing only if it was not there while an index before and one after named it. Names do not
 * come again (decision 0082), so it cannot have been deleted and put in between.
 */
public final class StoreReview {
    /** What can be found. */
    public enum Kind {
        /** An index names a layer that is not there. */
        MISSING(true),
        /** A layer has not the length that the index says. */
        WRONG_LENGTH(true),
        /** A manifest or an index that is damaged, or one that the manifest names is not there. */
        UNREADABLE(true),
        /** A layer that the newest index does not name: put for the next one, or left over. */
        UNNAMED(false),
        /** A layer that its owner is about to delete. */
        REMOVED(false),
        /** An index of an earlier generation. */
        SUPERSEDED(false),
        /** An object of a timeline that the manifest says is being deleted. */
        DELETING(false),
        /** An object of a timeline that the newest manifest does not name. */
        OF_NO_BRANCH(false),
        /** An object among ours that no page server would have put there. */
        FOREIGN(false);

        private final boolean harm;

        Kind(boolean harm) {
            this.harm = harm;
        }

        /** Is something lost, as opposed to too much being there? */
        public boolean harm() {
            return harm;
        }
    }

    /**
     * @param bytes of the object; of a missing one what the index says
     * @param modifiedMillis when it was put, by the store's clock; 0 if it is not there
     * @param detail for people; may be empty
     */
    public record Finding(Kind kind, String key, long bytes, long modifiedMillis, String detail) {}

    private final RemoteStore store;
    private final List<Finding> findings = new ArrayList<>();
    private long objects;
    private long bytes;
    private int tenants;

    public StoreReview(RemoteStore store) {
        this.store = store;
    }

    public List<Finding> findings() {
        return List.copyOf(findings);
    }

    public long objects() {
        return objects;
    }

    public long bytes() {
        return bytes;
    }

    public int tenants() {
        return tenants;
    }

    /** Tenants that the store has something of; what is none is a finding. */
    public List<TenantShardId> list() {
        return store.tenants(
                directory ->
                        findings.add(
                                new Finding(
                                        Kind.FOREIGN, directory, 0, 0, "with all that is below")),
                entry -> find(Kind.FOREIGN, entry, ""));
    }

    /** Reviews all of a tenant. */
    public void review(TenantShardId tenant) {
        tenants++;
        Map<String, ObjectStore.Entry> there = objectsOf(tenant);
        StoredTenant said;
        try {
            said = StoredTenant.read(store, tenant);
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CORRUPTION) {
                throw e;
            }
            findings.add(
                    new Finding(
                            Kind.UNREADABLE,
                            RemotePath.manifests(tenant),
                            0,
                            0,
                            String.valueOf(e.getMessage())));
            return;
        }
        Map<TimelineId, StoredTenant.Branch> branches = new TreeMap<>();
        said.branches().forEach(branch -> branches.put(branch.id(), branch));
        TreeSet<TimelineId> unreadable = new TreeSet<>();
        for (StoredTenant.Branch branch : said.branches()) {
            if (branch.failure() != null) {
                unreadable.add(branch.id());
                findings.add(
                        new Finding(
                                Kind.UNREADABLE,
                                RemotePath.timeline(tenant, branch.id()),
                                0,
                                0,
                                branch.failure()));
            }
            named(tenant, branch, there);
        }
        for (ObjectStore.Entry entry : there.values()) {
            switch (RemoteKey.of(entry.key())) {
                case RemoteKey.Index _, RemoteKey.Layer _, RemoteKey.Hints _ when said.gone() ->
                        find(Kind.DELETING, entry, "the tenant is deleted");
                case RemoteKey.Manifest _, RemoteKey.Hints _ -> {
                    // All manifests are needed: they tell an owner that it is fenced.
                }
                case RemoteKey.Index index -> index(index, branches.get(index.timeline()), entry);
                case RemoteKey.Layer layer -> {
                    // Without an index nobody knows what is named.
                    if (!unreadable.contains(layer.timeline())) {
                        layer(layer, branches.get(layer.timeline()), entry);
                    }
                }
                case RemoteKey.Foreign _ -> find(Kind.FOREIGN, entry, "");
            }
        }
    }

    private Map<String, ObjectStore.Entry> objectsOf(TenantShardId tenant) {
        Map<String, ObjectStore.Entry> there = new TreeMap<>();
        store.listAll(
                RemotePath.tenant(tenant) + "/",
                true,
                page -> {
                    for (ObjectStore.Entry entry : page.objects()) {
                        there.put(entry.key(), entry);
                        objects++;
                        bytes += entry.length();
                    }
                });
        return there;
    }

    /** Takes what the index names out of {@code there}, and asks for what is not in it. */
    private void named(
            TenantShardId tenant,
            StoredTenant.Branch branch,
            Map<String, ObjectStore.Entry> there) {
        List<LayerDescriptor> lacking = new ArrayList<>();
        for (LayerDescriptor layer : branch.layers()) {
            String key = RemotePath.layer(tenant, branch.id(), layer.name());
            ObjectStore.Entry entry = there.remove(key);
            if (entry == null) {
                if (!store.exists(key)) {
                    lacking.add(layer);
                }
            } else if (entry.length() != layer.size()) {
                find(Kind.WRONG_LENGTH, entry, "the index says " + layer.size());
            }
        }
        if (lacking.isEmpty()) {
            return;
        }
        TreeSet<String> still = new TreeSet<>();
        for (StoredTenant.Branch now : StoredTenant.read(store, tenant).branches()) {
            if (now.id().equals(branch.id())) {
                now.layers().forEach(layer -> still.add(layer.name().toString()));
            }
        }
        for (LayerDescriptor layer : lacking) {
            if (still.contains(layer.name().toString())) {
                findings.add(
                        new Finding(
                                Kind.MISSING,
                                RemotePath.layer(tenant, branch.id(), layer.name()),
                                layer.size(),
                                0,
                                "named by " + branch.index()));
            }
        }
    }

    private void index(
            RemoteKey.Index index, StoredTenant.@Nullable Branch branch, ObjectStore.Entry entry) {
        if (branch == null || branch.deleting()) {
            find(branch == null ? Kind.OF_NO_BRANCH : Kind.DELETING, entry, "");
        } else if (index.generation().value() < branch.generation()) {
            find(Kind.SUPERSEDED, entry, "by " + branch.index());
        }
    }

    private void layer(
            RemoteKey.Layer layer, StoredTenant.@Nullable Branch branch, ObjectStore.Entry entry) {
        if (branch == null || branch.deleting()) {
            find(branch == null ? Kind.OF_NO_BRANCH : Kind.DELETING, entry, "");
        } else if (branch.removed().contains(layer.name())) {
            find(Kind.REMOVED, entry, "");
        } else {
            find(Kind.UNNAMED, entry, "");
        }
    }

    private void find(Kind kind, ObjectStore.Entry entry, String detail) {
        findings.add(
                new Finding(kind, entry.key(), entry.length(), entry.modifiedMillis(), detail));
    }
}
