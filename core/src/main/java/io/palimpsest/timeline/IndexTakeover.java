package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Environment;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.remote.GenerationClaim;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.remote.TenantManifest.Entry;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What comes between a claim and its manifest: the index of every timeline is read, and what was
 * read is put under the generation that was claimed. A former owner that does not know yet that it
 * is one can still replace its own index, but whoever comes from now on reads ours (decision 0083).
 *
 * <p>Several timelines at once, since each costs two requests that wait for the store.
 */
final class IndexTakeover {
    private static final int TASKS = 8;

    /** How often an index is read that comes damaged, or another one. */
    private static final int READS = 3;

    /**
     * @param from the generation that it was found under
     * @param put what was found, under ours, as it is in the store
     */
    record Taken(Generation from, RemoteTenant.Own put) {}

    private final Environment environment;
    private final RemoteStore store;
    private final TenantManifest before;
    private final Generation ours;
    private final Monitor monitor;
    private final ArrayDeque<Entry> waiting = new ArrayDeque<>();
    private final TreeMap<TimelineId, Taken> taken = new TreeMap<>();
    private @Nullable RuntimeException failure;

    private IndexTakeover(
            Environment environment,
            RemoteStore store,
            TenantManifest before,
            Generation ours) {
        this.environment = environment;
        this.store = store;
        this.before = before;
        this.ours = ours;
        this.monitor = environment.tasks().monitor("index-takeover");
        before.timelines().stream().filter(entry -> !entry.deleting()).forEach(waiting::add);
    }

    /**
     * @return what there is now of the claim's timelines that are not being deleted; those are not
     *     in it that never came to an index
     * @throws PageserverException the first failure; nothing is under way any more
     */
    static TreeMap<TimelineId, Taken> run(
            Environment environment, RemoteStore store, GenerationClaim.Claim claim) {
        TenantManifest before = claim.before();
        if (before == null) {
            return new TreeMap<>();
        }
        return new IndexTakeover(environment, store, before, claim.manifest().generation()).run();
    }

    private TreeMap<TimelineId, Taken> run() {
        List<Tasks.Task> others = new ArrayList<>();
        for (int i = 1; i < Math.min(TASKS, waiting.size()); i++) {
            others.add(environment.tasks().spawn(Lane.LATENCY, "take-over", this::work));
        }
        work();
        others.forEach(Tasks.Task::join);
        if (failure != null) {
            throw failure;
        }
        return taken;
    }

    private void work() {
        for (Entry entry = next(); entry != null; entry = next()) {
            try {
                take(entry);
            } catch (RuntimeException e) {
                failed(e);
            }
        }
    }

    private @Nullable Entry next() {
        monitor.lock();
        try {
            return failure == null ? waiting.pollFirst() : null;
        } finally {
            monitor.unlock();
        }
    }

    private void failed(RuntimeException e) {
        monitor.lock();
        try {
            failure = failure == null ? e : failure;
        } finally {
            monitor.unlock();
        }
    }

    private void take(Entry entry) {
        TimelineIndex index = read(entry);
        if (index == null) {
            environment
                    .tracer()
                    .warn(
                            "timeline-without-index",
                            "timeline "
                                    + entry.id()
                                    + " of tenant "
                                    + before.tenant()
                                    + " was never complete in the store");
            return;
        }
        TimelineIndex copy = index.under(ours);
        String version =
                store.create(
                        RemotePath.index(before.tenant(), entry.id(), ours),
                        Content.of(TimelineIndexText.encode(copy)));
        monitor.lock();
        try {
            taken.put(entry.id(), new Taken(index.generation(), new RemoteTenant.Own(copy, version)));
        } finally {
            monitor.unlock();
        }
    }

    /** The newest index of a timeline; null if it never came to one. */
    private @Nullable TimelineIndex read(Entry entry) {
        TenantShardId tenant = before.tenant();
        TimelineIndex index = read(tenant, entry.id(), before.generation());
        if (index != null || entry.index().equals(before.generation())) {
            return index;
        }
        index = read(tenant, entry.id(), entry.index());
        if (index == null) {
            throw PageserverException.corruption(
                    "%s: the manifest names this index, but there is no such object",
                    RemotePath.index(tenant, entry.id(), entry.index()));
        }
        return index;
    }

    private @Nullable TimelineIndex read(
            TenantShardId tenant, TimelineId timeline, Generation generation) {
        for (int attempt = 1; ; attempt++) {
            try {
                return RemoteIndex.read(store, tenant, timeline, generation);
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.NOT_FOUND) {
                    return null;
                }
                if (e.code() != ErrorCode.CORRUPTION || attempt == READS) {
                    throw e;
                }
            }
        }
    }
}
