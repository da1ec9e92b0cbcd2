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
import java.util.Map;
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

    /**
     * @param from the generation that it was found under
     * @param put what was found, under ours, as it is in the store
     * @param wasThere an attempt under the same claim had put it already, and may have found
     *     another
     */
    record Taken(Generation from, RemoteTenant.Own put, boolean wasThere) {}

    /**
     * What became of the timelines that are not being deleted.
     *
     * @param unreadable those whose index is damaged or gone, and why
     */
    record Outcome(Map<TimelineId, Taken> taken, Map<TimelineId, PageserverException> unreadable) {}

    private final Environment environment;
    private final RemoteStore store;
    private final TenantManifest before;
    private final Generation ours;
    private final Copy copy;
    private final Monitor monitor;
    private final ArrayDeque<Entry> waiting = new ArrayDeque<>();
    private final Outcome outcome = new Outcome(new TreeMap<>(), new TreeMap<>());
    private @Nullable RuntimeException failure;

    private IndexTakeover(
            Environment environment,
            RemoteStore store,
            TenantManifest before,
            Generation ours,
            Copy copy) {
        this.copy = copy;
        this.environment = environment;
        this.store = store;
        this.before = before;
        this.ours = ours;
        this.monitor = environment.tasks().monitor("index-takeover");
        before.timelines().stream().filter(entry -> !entry.deleting()).forEach(waiting::add);
    }

    /** What is to happen to an index that was read, while it is put under our generation. */
    interface Copy {
        /** Several at once. */
        void of(Entry entry, TimelineIndex index);
    }

    /**
     * @param copy is over with all of them when this returns; the index that was put may be another
     *     one, see {@link Taken}
     * @throws PageserverException the first failure but for indexes that cannot be used; nothing is
     *     under way any more
     */
    static Outcome run(
            Environment environment, RemoteStore store, GenerationClaim.Claim claim, Copy copy) {
        TenantManifest before = claim.before();
        return before == null
                ? new Outcome(new TreeMap<>(), new TreeMap<>())
                : new IndexTakeover(environment, store, before, claim.manifest().generation(), copy)
                        .run();
    }

    private Outcome run() {
        List<Tasks.Task> others = new ArrayList<>();
        for (int i = 1; i < Math.min(TASKS, waiting.size()); i++) {
            others.add(environment.tasks().spawn(Lane.LATENCY, "take-over", this::work));
        }
        work();
        others.forEach(Tasks.Task::join);
        if (failure != null) {
            throw failure;
        }
        return outcome;
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
        TimelineIndex index;
        try {
            index = read(entry);
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CORRUPTION) {
                throw e;
            }
            monitor.lock();
            try {
                outcome.unreadable.put(entry.id(), e);
            } finally {
                monitor.unlock();
            }
            return;
        }
        TimelineIndex next = index.under(ours);
        Taken taken =
                AtOnce.run(
                        environment.tasks(),
                        "take-over-copy",
                        () -> copy.of(entry, next),
                        () -> put(index.generation(), next));
        monitor.lock();
        try {
            outcome.taken.put(entry.id(), taken);
        } finally {
            monitor.unlock();
        }
    }

    private Taken put(Generation from, TimelineIndex copy) {
        String key = RemotePath.index(before.tenant(), copy.timeline(), ours);
        try {
            String version = store.create(key, Content.of(TimelineIndexText.encode(copy)));
            return new Taken(from, new RemoteTenant.Own(copy, version), false);
        } catch (PageserverException e) {
            TimelineIndex ours = e.code() == ErrorCode.CONFLICT ? read(copy) : null;
            if (ours == null) {
                throw e;
            }
            // An attempt under the same claim has got as far, and read another one then.
            String version = store.head(key).version();
            return new Taken(from, new RemoteTenant.Own(ours, version), true);
        }
    }

    private @Nullable TimelineIndex read(TimelineIndex copy) {
        return read(copy.tenant(), copy.timeline(), ours);
    }

    /** The newest index of a timeline; CORRUPTION if there is none. */
    private TimelineIndex read(Entry entry) {
        TenantShardId tenant = before.tenant();
        TimelineIndex index = read(tenant, entry.id(), before.generation());
        if (index == null && !entry.index().equals(before.generation())) {
            index = read(tenant, entry.id(), entry.index());
        }
        if (index == null) {
            throw PageserverException.corruption(
                    "%s: the manifest names this index, but there is no such object",
                    RemotePath.index(tenant, entry.id(), entry.index()));
        }
        return index;
    }

    private @Nullable TimelineIndex read(
            TenantShardId tenant, TimelineId timeline, Generation generation) {
        try {
            return RemoteIndex.read(store, tenant, timeline, generation);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND) {
                return null;
            }
            throw e;
        }
    }
}
