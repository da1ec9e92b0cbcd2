package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.layer.LayerCursor;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.sim.workload.Mischief;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** What the storage engine would do if one of its rules were broken. */
enum EngineBug implements Mischief {
    /** Collection and history dropping do not know of a branch. */
    BRANCH_POINT_FORGOTTEN(Notice.WRONG_READ) {
        @Override
        void spoil(Timeline timeline, Prng random) {
            BranchPoint at = timeline.branchPoint();
            if (at != null) {
                at.ancestor().window().releaseBranchPoint(at.lsn());
            }
        }
    },

    /** The cutoff moves as if nobody held leases. */
    LEASES_FORGOTTEN("a legal read of .* is refused") {
        @Override
        void spoil(Timeline timeline, Prng random) {
            timeline.stored()
                    .commitIndex(index ->
                            index.leases().isEmpty()
                                    ? null
                                    : index.retaining(index.oldestReadableLsn(), List.of()));
        }
    },

    /** History is kept for less than the policy says. */
    CUTOFF_TOO_FAR("the cutoff is .*, by policy it is") {
        @Override
        void spoil(Timeline timeline, Prng random) {
            if (random.oneIn(20)) {
                boolean _ = timeline.advanceCutoff(timeline.diskConsistentLsn());
            }
        }
    },

    /** A layer is collected that reads still need. */
    LAYER_COLLECTED_TOO_EARLY(Notice.WRONG_READ) {
        @Override
        void spoil(Timeline timeline, Prng random) {
            LayerDescriptor layer = any(timeline, random, EngineBug::merged);
            if (layer != null && random.oneIn(10)) {
                timeline.replaceLayers(List.of(timeline.layer(layer)), List.of());
            }
        }
    },

    /** Values are lost between the inputs of a merge and its outputs. */
    MERGE_LOSES_VALUES(Notice.WRONG_READ) {
        @Override
        void spoil(Timeline timeline, Prng random) {
            LayerDescriptor layer = any(timeline, random, EngineBug::merged);
            if (layer != null && random.oneIn(10)) {
                rewrite(timeline, timeline.layer(layer), random);
            }
        }
    },

    /** An image is said to be of a later LSN than what is in it. */
    IMAGE_AT_WRONG_LSN(Notice.WRONG_READ) {
        @Override
        void spoil(Timeline timeline, Prng random) {
            LayerDescriptor image = any(timeline, random, d -> d.name().image());
            long lsn = timeline.diskConsistentLsn();
            if (image == null || image.name().startLsn() == lsn || !random.oneIn(10)) {
                return;
            }
            LayerFile input = timeline.layer(image);
            if (!input.acquire()) {
                return;
            }
            try (NewLayers layers = new NewLayers(timeline, new JobMeter(Unhurried.PACE))) {
                NewLayers.Image out = layers.image(lsn, false);
                LayerCursor c = input.entries(input.keys());
                while (c.next()) {
                    out.append(c.hi(), c.mid(), c.lo(), c.bytes(), c.offset() + 1, c.length() - 1);
                }
                out.finish(input.keys());
                replace(timeline, layers, List.of());
            } finally {
                input.release();
            }
        }
    };

    /** How the scenario says that what is read is not right. */
    private static final class Notice {
        static final String WRONG_READ = "page at|size at|directory at|expected an image|redo of";
    }

    /** How the scenario says that it has noticed, a regular expression. */
    final String noticed;

    EngineBug(String noticed) {
        this.noticed = noticed;
    }

    abstract void spoil(Timeline timeline, Prng random);

    /** What the disk, or a job under way, keeps from being done is not done. */
    @Override
    public void act(Timeline timeline, Prng random) {
        try {
            spoil(timeline, random);
        } catch (PageserverException | Check.Failed e) {
            // Another time, perhaps.
        }
    }

    private static @Nullable LayerDescriptor any(
            Timeline timeline, Prng random, Predicate<LayerDescriptor> which) {
        List<LayerDescriptor> all = timeline.durableLayers().stream().filter(which).toList();
        return all.isEmpty() ? null : all.get(random.nextInt(all.size()));
    }

    private static boolean merged(LayerDescriptor layer) {
        return !layer.name().image() && !layer.name().isL0();
    }

    /** In smaller files, whose names are others. */
    private static void rewrite(Timeline timeline, LayerFile input, Prng random) {
        if (!input.acquire()) {
            return;
        }
        try (NewLayers layers = new NewLayers(timeline, new JobMeter(Unhurried.PACE))) {
            DeltaSequence out =
                    new DeltaSequence(layers, input.lsns(), input.size() / 4, DeltaForm.MERGED);
            LayerCursor c = input.entries(input.keys());
            while (c.next()) {
                if (!random.oneIn(20)) {
                    out.value(c.hi(), c.mid(), c.lo(), c.lsn(), c.bytes(), c.offset(), c.length());
                }
            }
            out.finish();
            replace(timeline, layers, List.of(input));
        } finally {
            input.release();
        }
    }

    private static void replace(Timeline timeline, NewLayers layers, List<LayerFile> removed) {
        List<LayerFile> added = layers.seal();
        layers.committed();
        timeline.replaceLayers(removed, added);
    }
}
