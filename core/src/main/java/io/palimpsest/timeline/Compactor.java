package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.compaction.CompactionPlan;
import io.palimpsest.compaction.CompactionPlan.CreateImages;
import io.palimpsest.compaction.CompactionPlan.DropHistory;
import io.palimpsest.compaction.CompactionPlan.MergeL0;
import io.palimpsest.compaction.RetainedHistory;
import io.palimpsest.layer.LayerCursor;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerName;
import io.palimpsest.layer.MergeCursor;
import java.util.ArrayList;
import java.util.List;

/**
 * Does what a planner has found: reads layers in order, writes others, and has the timeline replace
 * the ones by the others in one step. At most one job of a timeline runs at a time.
 *
 * <p>What it reads has passed its checksums block by block, so nothing is ever written from damaged
 * input: a job that meets some ends with CORRUPTION naming the file. A job that fails, or gives
 * way, leaves the timeline and its directory as they were.
 */
public final class Compactor {
    public enum Outcome {
        /** All of the plan is done. */
        DONE,
        /** Something more urgent came up, or the plan is out of date. */
        GAVE_WAY
    }

    /**
     * @param bytesRead of files, about
     * @param bytesWritten of files
     * @param layers that are new; 0 if nothing was done
     */
    public record Result(Outcome outcome, long bytesRead, long bytesWritten, int layers) {}

    private final Timeline timeline;
    private final JobMeter meter;
    private final long target;

    private Compactor(Timeline timeline, Pace pace) {
        this.timeline = timeline;
        this.meter = new JobMeter(pace);
        this.target = timeline.config().compactionTargetBytes();
    }

    /**
     * @throws PageserverException CORRUPTION naming the file if an input is damaged, NO_SPACE, IO
     */
    public static Result run(Timeline timeline, CompactionPlan plan, Pace pace) {
        Compactor job = new Compactor(timeline, pace);
        List<LayerFile> inputs = new ArrayList<>();
        try {
            job.hold(plan.inputs(), inputs);
            job.meter.inputs(inputs);
            return job.run(plan, inputs);
        } finally {
            inputs.forEach(LayerFile::release);
        }
    }

    /** A layer and what is wrong with it. */
    public record Damage(LayerName layer, PageserverException flaw) {}

    /**
     * Why a job ended with CORRUPTION: reads the plan's layers whole, and answers those that are
     * damaged. None if the damage is not in them.
     */
    public static List<Damage> damaged(Timeline timeline, CompactionPlan plan) {
        List<LayerDescriptor> read = new ArrayList<>(plan.inputs());
        if (plan instanceof DropHistory history) {
            read.addAll(history.base());
        }
        List<Damage> damaged = new ArrayList<>();
        for (LayerDescriptor layer : read) {
            try {
                timeline.layer(layer).verify();
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.CORRUPTION) {
                    damaged.add(new Damage(layer.name(), e));
                }
            }
        }
        return damaged;
    }

    private void hold(List<LayerDescriptor> layers, List<LayerFile> held) {
        for (LayerDescriptor layer : layers) {
            LayerFile file = timeline.layer(layer);
            Check.that(file.acquire(), "an input was closed: %s", file.path());
            held.add(file);
        }
    }

    private Result run(CompactionPlan plan, List<LayerFile> inputs) {
        try (NewLayers layers = new NewLayers(timeline, meter)) {
            boolean whole =
                    switch (plan) {
                        case MergeL0 merge -> merge(merge, inputs, layers);
                        case CreateImages images -> createImages(images, inputs, layers);
                        case DropHistory history -> dropHistory(history, inputs, layers);
                    };
            // Images that are whole are worth something though others are missing.
            boolean additive = plan instanceof CreateImages;
            if (!whole && (!additive || layers.count() == 0)) {
                return result(Outcome.GAVE_WAY, 0);
            }
            meter.end();
            List<LayerFile> added = layers.seal();
            layers.committed();
            timeline.replaceLayers(additive ? List.of() : inputs, added);
            return result(whole ? Outcome.DONE : Outcome.GAVE_WAY, layers.count());
        }
    }

    private Result result(Outcome outcome, int layers) {
        return new Result(outcome, meter.bytesRead(), meter.bytesWritten(), layers);
    }

    private boolean merge(MergeL0 plan, List<LayerFile> inputs, NewLayers layers) {
        LsnRange lsns =
                new LsnRange(
                        plan.inputs().getFirst().name().startLsn(),
                        plan.inputs().getLast().name().endLsn());
        DeltaSequence out =
                new DeltaSequence(
                        layers, lsns, target, plan.atRest() ? DeltaForm.AT_REST : DeltaForm.MERGED);
        LayerCursor c = entries(inputs, KeyRange.ALL);
        while (c.next()) {
            meter.read(c.length());
            out.value(c.hi(), c.mid(), c.lo(), c.lsn(), c.bytes(), c.offset(), c.length());
        }
        out.finish();
        return true;
    }

    private boolean createImages(CreateImages plan, List<LayerFile> inputs, NewLayers layers) {
        ImageSequence out = new ImageSequence(layers, plan.keys(), plan.lsn(), target, meter);
        MergedPages pages = new MergedPages(timeline);
        RetainedHistory filter =
                RetainedHistory.image(
                        plan,
                        timeline.retention().cutoff(),
                        timeline.hasAncestor(),
                        timeline.inventory().adopted(),
                        pages,
                        out);
        LayerCursor c = entries(inputs, plan.keys());
        while (c.next() && !out.stopped()) {
            meter.read(c.length());
            if (Long.compareUnsigned(c.lsn(), plan.lsn()) <= 0) {
                filter.accept(c.hi(), c.mid(), c.lo(), c.lsn(), c.bytes(), c.offset(), c.length());
                pages.add(c.hi(), c.mid(), c.lo(), c.lsn(), c.bytes(), c.offset(), c.length());
            }
        }
        filter.finish();
        out.finish();
        return !out.stopped();
    }

    private boolean dropHistory(DropHistory plan, List<LayerFile> inputs, NewLayers layers) {
        List<LayerFile> base = new ArrayList<>();
        try {
            hold(plan.base(), base);
            return new HistoryDrop(timeline, plan, inputs, base, layers, meter, target).run();
        } finally {
            base.forEach(LayerFile::release);
        }
    }

    /** Deltas first: an image has what they have at its LSN. */
    static MergeCursor entries(List<LayerFile> inputs, KeyRange keys) {
        List<LayerCursor> cursors = new ArrayList<>();
        for (boolean image : new boolean[] {false, true}) {
            for (LayerFile file : inputs) {
                if (file.image() == image) {
                    cursors.add(file.entries(keys));
                }
            }
        }
        return new MergeCursor(cursors);
    }
}
