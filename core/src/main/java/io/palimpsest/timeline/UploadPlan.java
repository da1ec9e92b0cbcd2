package io.palimpsest.timeline;

import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.remote.RemoteStore;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What is to be done so that the store comes to say what the disk says, one step after the other;
 * it does nothing itself. Each step must be told to have worked, or to have failed.
 *
 * <pre>
 *   snapshot := index now -> its layers that are not in the store, oldest first, several at once
 *      -> the index itself -> is our generation still valid? -> what was removed is deleted
 * </pre>
 *
 * The snapshot stays the same until it is in the store: what compaction removes meanwhile is
 * uploaded all the same, so that this comes to an end however fast layers change. Objects are
 * deleted only after an index without them is in the store and was ours to write: then nobody can
 * come to load one that names them.
 */
final class UploadPlan {
    /** What to do next. */
    sealed interface Step {
        /** Put a layer; others may be put at the same time. */
        record Layer(LayerDescriptor layer) implements Step {}

        /** Put the index; all that it names is there. */
        record Index(TimelineIndex index) implements Step {}

        /** See whether a newer generation was claimed. */
        record Validate() implements Step {}

        /** Delete layers. */
        record Delete(List<LayerName> names) implements Step {}
    }

    private static final Comparator<LayerDescriptor> OLDEST_FIRST =
            Comparator.comparing((LayerDescriptor l) -> l.name().endLsn(), Long::compareUnsigned)
                    .thenComparing(TimelineIndex.ORDER);

    /** Layers known to be in the store. */
    private final TreeSet<LayerName> present = new TreeSet<>(TimelineIndex.BY_NAME);

    private final TreeSet<LayerName> sending = new TreeSet<>(TimelineIndex.BY_NAME);

    /** Of {@link #stored}'s removed ones. */
    private final TreeSet<LayerName> deleted = new TreeSet<>(TimelineIndex.BY_NAME);

    /** Layers of the snapshot that are neither present nor being sent. */
    private final ArrayDeque<LayerDescriptor> missing = new ArrayDeque<>();

    private @Nullable TimelineIndex snapshot;
    private @Nullable TimelineIndex stored;

    /** The last one that was valid. */
    private @Nullable TimelineIndex lastValid;

    private boolean validated;
    private boolean alone;
    private boolean deletesLast;

    /**
     * @param stored the index that is in the store under our generation, which was valid
     *     afterwards; null if there is none
     */
    UploadPlan(@Nullable TimelineIndex stored) {
        this.stored = stored;
        lastValid = stored;
        if (stored != null) {
            validated = true;
            stored.layers().forEach(l -> present.add(l.name()));
        }
    }

    /** The index in the store if the generation was valid after it was put; else null. */
    @Nullable TimelineIndex valid() {
        return validated ? stored : null;
    }

    /**
     * Does that hold for what the store has for good, and for what may take its place at any
     * moment?
     */
    boolean holds(Predicate<TimelineIndex> wanted) {
        TimelineIndex there = valid();
        return there != null && wanted.test(there) && (snapshot == null || wanted.test(snapshot));
    }

    /**
     * The next step, or null if there is nothing to do, or nothing before a step has ended.
     *
     * @param deletes may objects be deleted? If not, what is to be stays in the index
     */
    @Nullable Step next(TimelineIndex now, boolean deletes) {
        if (alone) {
            return null;
        }
        if (snapshot == null) {
            Step between = betweenSnapshots(now, deletes);
            if (between != null || stored != null && stored.saysAs(now)) {
                alone = between != null;
                return between;
            }
            take(now);
        }
        LayerDescriptor layer = missing.pollFirst();
        if (layer != null) {
            sending.add(layer.name());
            return new Step.Layer(layer);
        }
        TimelineIndex complete = snapshot;
        if (!sending.isEmpty() || complete == null) {
            return null;
        }
        alone = true;
        return new Step.Index(complete);
    }

    private @Nullable Step betweenSnapshots(TimelineIndex now, boolean deletes) {
        TimelineIndex last = stored;
        if (last == null) {
            return null;
        }
        if (!validated) {
            return new Step.Validate();
        }
        if (!deletes || deletesLast && !last.saysAs(now)) {
            return null;
        }
        List<LayerName> garbage = new ArrayList<>();
        for (LayerName name : last.removed()) {
            // None is by construction; but a delete cannot be taken back.
            if (garbage.size() < RemoteStore.PAGE && !deleted.contains(name) && !now.names(name)) {
                garbage.add(name);
            }
        }
        return garbage.isEmpty() ? null : new Step.Delete(garbage);
    }

    private void take(TimelineIndex now) {
        snapshot = now;
        List<LayerDescriptor> lacking = new ArrayList<>();
        for (LayerDescriptor layer : now.layers()) {
            if (!present.contains(layer.name())) {
                lacking.add(layer);
            }
        }
        lacking.sort(OLDEST_FIRST);
        missing.addAll(lacking);
    }

    void done(Step step) {
        switch (step) {
            case Step.Layer(LayerDescriptor layer) -> {
                sending.remove(layer.name());
                present.add(layer.name());
            }
            case Step.Index(TimelineIndex index) -> {
                alone = false;
                stored = index;
                snapshot = null;
                validated = false;
                deletesLast = false;
                deleted.clear();
            }
            case Step.Validate() -> {
                alone = false;
                validated = true;
                lastValid = stored;
            }
            case Step.Delete(List<LayerName> names) -> {
                alone = false;
                deleted.addAll(names);
                names.forEach(present::remove);
            }
        }
    }

    /** It may have been done or not, or be done later. */
    void failed(Step step) {
        switch (step) {
            case Step.Layer(LayerDescriptor layer) -> {
                sending.remove(layer.name());
                missing.addFirst(layer);
            }
            case Step.Index _, Step.Validate _ -> alone = false;
            case Step.Delete _ -> {
                // A store that lets nothing be deleted must not hold up what is to be put.
                alone = false;
                deletesLast = true;
            }
        }
    }

    /** Is the layer's file needed, whatever the index says by now? */
    boolean needsFile(LayerName name) {
        return sending.contains(name)
                || missing.stream().anyMatch(layer -> layer.name().equals(name));
    }

    /**
     * Did an index of ours name it that was valid? Then its object stays until an index of ours
     * lists it as removed.
     */
    boolean isConfirmed(LayerName name) {
        return lastValid != null && lastValid.names(name);
    }

    /** Does an index name it that is in the store, or may be at any moment? */
    boolean names(LayerName name) {
        return stored != null && stored.names(name) || snapshot != null && snapshot.names(name);
    }

    boolean isPresent(LayerName name) {
        return present.contains(name);
    }

    /** Is it in the store for good, and nothing else on its way there? */
    boolean isStored(TimelineIndex now) {
        TimelineIndex there = valid();
        return there != null && snapshot == null && there.saysAs(now);
    }

    /** Is anything under way? */
    boolean busy() {
        return alone || !sending.isEmpty();
    }
}
