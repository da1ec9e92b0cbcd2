package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.DeltaLayerWriter;
import io.palimpsest.layer.LayerCursor;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Disk;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Makes a branch a timeline without an ancestor: all layers of its ancestors that its history needs
 * become its own. Those that lie at or below the branch point are linked, so that no data moves; a
 * delta layer that goes past it is written again up to there. Then one index says it all.
 *
 * <p>A crash before that index leaves files that no index names, and the work is done again when it
 * is asked for again.
 */
final class Detachment {
    /** An ancestor's layers may be exchanged meanwhile; then all is done anew, so often. */
    private static final int TRIES = 16;

    private final Surroundings surroundings;
    private final Timeline branch;
    private final Operation operation;
    private final TreeSet<Long> crossed = new TreeSet<>(Long::compareUnsigned);
    private final List<LayerFile> taken = new ArrayList<>();

    /** From where on the ancestors keep their history without a gap up to the branch. */
    private long oldest = Long.MAX_VALUE;

    private Detachment(Surroundings surroundings, Timeline branch, Operation operation) {
        this.surroundings = surroundings;
        this.operation = operation;
        this.branch = branch;
    }

    /** The branch points crossed are the index's when this returns, and the layers the map's. */
    static void run(
            Surroundings surroundings,
            Timeline branch,
            TimelineLayers layers,
            Operation operation) {
        for (int i = 0; i < TRIES; i++) {
            Detachment attempt = new Detachment(surroundings, branch, operation);
            boolean done = false;
            try {
                if (attempt.takeAll()) {
                    operation.cannotBeCancelled(
                            "the branch has all that it needs of its ancestors");
                    layers.adopt(List.copyOf(attempt.crossed), attempt.oldest, attempt.taken);
                    done = true;
                    return;
                }
            } finally {
                if (!done && branch.failure() == null) {
                    attempt.giveUp();
                }
            }
        }
        throw PageserverException.of(
                ErrorCode.CONFLICT,
                "the layers of the ancestors of timeline %s change faster than they can be taken over; try again",
                branch.id());
    }

    /** What no index names is deleted. */
    private void giveUp() {
        for (LayerFile file : taken) {
            file.close();
            surroundings.disk().delete(file.path());
        }
    }

    /** False if a layer was gone, or an ancestor may have let go of what was to be taken. */
    private boolean takeAll() {
        int structure = surroundings.structure().get();
        long bound = Long.MAX_VALUE;
        boolean whole = true;
        BranchPoint at = branch.branchPoint();
        while (at != null) {
            Timeline ancestor = at.ancestor();
            bound = Math.min(bound, at.lsn());
            crossed.add(bound);
            // Before the index: one that is detached meanwhile has all that it had of its own.
            BranchPoint above = ancestor.branchPoint();
            TimelineIndex index = ancestor.index();
            whole &= index.oldestReadableLsn() <= bound;
            if (whole) {
                oldest = index.oldestReadableLsn();
            }
            TimelineIndex.Ancestor next = index.ancestor();
            whole &= next != null && index.oldestReadableLsn() <= next.lsn();
            for (long adopted : index.adopted()) {
                if (adopted < bound) {
                    crossed.add(adopted);
                }
            }
            for (LayerDescriptor layer : index.layers()) {
                if (layer.name().startLsn() <= bound && !take(ancestor, layer, bound)) {
                    return false;
                }
            }
            at = next == null ? null : above;
        }
        surroundings.disk().syncDirectory(branch.directory());
        return surroundings.structure().get() == structure;
    }

    private boolean take(Timeline ancestor, LayerDescriptor layer, long bound) {
        operation.checkGoesOn();
        LayerName name = layer.name();
        if (!name.image() && name.endLsn() > bound + 1) {
            return rewrite(ancestor, layer, bound);
        }
        String path = branch.layerPath(name);
        Check.that(
                branch.layers().file(name) == null, "a branch has a layer of its past: %s", name);
        // Left over from an attempt that was given up.
        surroundings.disk().delete(path);
        LayerFile theirs = ancestor.layers().file(name);
        if (theirs == null) {
            return false;
        }
        try {
            theirs.fetch();
            surroundings.disk().link(ancestor.layerPath(name), path);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND || e.code() == ErrorCode.CONFLICT) {
                return false;
            }
            throw e;
        }
        take(layer);
        return true;
    }

    private void take(LayerDescriptor layer) {
        operation.moved(layer.size());
        taken.add(LayerFile.lazy(branch.stored().place(), layer, surroundings.cache()));
    }

    private boolean rewrite(Timeline ancestor, LayerDescriptor layer, long bound) {
        LayerFile file = ancestor.layers().file(layer.name());
        if (file == null || !file.acquire()) {
            return false;
        }
        try {
            LayerDescriptor written = write(file, bound);
            if (written != null) {
                take(written);
            }
            return true;
        } finally {
            file.release();
        }
    }

    /** The layer up to the LSN, or null if there is nothing up to it. */
    private @Nullable LayerDescriptor write(LayerFile file, long bound) {
        Disk disk = surroundings.disk();
        LsnRange lsns = new LsnRange(file.name().startLsn(), bound + 1);
        LayerName name =
                LayerName.delta(file.keys(), lsns, branch.tenant(), branch.index().generation());
        String temporary = branch.temporaryPath();
        long size;
        long entries;
        boolean done = false;
        try {
            try (Disk.Output out = disk.create(temporary)) {
                DeltaLayerWriter writer =
                        new DeltaLayerWriter(
                                out, branch.tenant(), branch.id(), lsns, surroundings.limits());
                LayerCursor c = file.entries();
                while (c.next()) {
                    if (Long.compareUnsigned(c.lsn(), bound) <= 0) {
                        writer.append(
                                c.hi(),
                                c.mid(),
                                c.lo(),
                                c.lsn(),
                                c.bytes(),
                                c.offset(),
                                c.length());
                    }
                }
                entries = writer.entries();
                size = writer.finish(file.keys(), lsns);
                out.sync();
            }
            if (entries > 0) {
                disk.rename(temporary, branch.layerPath(name));
                done = true;
            }
        } finally {
            if (!done) {
                disk.delete(temporary);
            }
        }
        return entries == 0 ? null : new LayerDescriptor(name, size, false);
    }
}
