package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.compaction.CompactionPlan.DropHistory;
import io.palimpsest.compaction.ContentSink;
import io.palimpsest.compaction.RetainedHistory;
import io.palimpsest.compaction.ValueSink;
import io.palimpsest.layer.LayerCursor;
import io.palimpsest.layer.LayerFile;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Rewrites what a plan's inputs hold:
 *
 * <pre>
 *   LSN ^  | outside |   above the cutoff   | outside |    one piece for each input that reaches there
 *       |  |         +----------------------+ cutoff  |
 *       |  |         | what retention needs |         |    delta layers
 *       |  |         +----------------------+ B       |    complete images
 *       +--+---------+----------------------+---------+-> key
 * </pre>
 *
 * Within the key range all inputs are read once, together; outside of it each by itself.
 */
final class HistoryDrop {
    private final Timeline timeline;
    private final DropHistory plan;
    private final List<LayerFile> inputs;

    /** Complete images that are read, and stay. */
    private final List<LayerFile> base;

    private final NewLayers layers;
    private final JobMeter meter;
    private final long target;

    HistoryDrop(
            Timeline timeline,
            DropHistory plan,
            List<LayerFile> inputs,
            List<LayerFile> base,
            NewLayers layers,
            JobMeter meter,
            long target) {
        this.timeline = timeline;
        this.plan = plan;
        this.inputs = inputs;
        this.base = base;
        this.layers = layers;
        this.meter = meter;
        this.target = target;
    }

    /** False if it gave way. */
    boolean run() {
        if (!rewriteInside()) {
            return false;
        }
        for (LayerFile input : inputs) {
            for (KeyRange keys : outside(input.keys(), plan.keys())) {
                if (meter.giveWay()) {
                    return false;
                }
                copy(input, keys);
            }
        }
        return true;
    }

    private boolean rewriteInside() {
        long lowest = plan.retention().lowest();
        long cutoff = plan.retention().cutoff();
        ImageSequence images = images(lowest);
        DeltaSequence history =
                lowest == cutoff
                        ? null
                        : new DeltaSequence(
                                layers,
                                new LsnRange(lowest + 1, cutoff + 1),
                                target,
                                DeltaForm.HISTORY);
        MergedPages pages = new MergedPages(timeline);
        RetainedHistory filter =
                RetainedHistory.of(
                        plan,
                        timeline.hasAncestor(),
                        timeline.inventory().adopted(),
                        timeline.limits().chainDeltas(),
                        pages,
                        images == null ? NO_IMAGES : images,
                        history == null ? NO_HISTORY : history);
        List<Piece> above = above(cutoff);
        List<LayerFile> read = new ArrayList<>(inputs);
        read.addAll(base);
        LayerCursor c = Compactor.entries(read, plan.keys());
        int finished = layers.count();
        while (c.next()) {
            meter.read(c.length());
            if (Long.compareUnsigned(c.lsn(), cutoff) > 0) {
                pieceOf(above, c).append(c);
            } else {
                filter.accept(c.hi(), c.mid(), c.lo(), c.lsn(), c.bytes(), c.offset(), c.length());
                pages.add(c.hi(), c.mid(), c.lo(), c.lsn(), c.bytes(), c.offset(), c.length());
            }
            if (layers.count() > finished) {
                finished = layers.count();
                if (meter.giveWay()) {
                    return false;
                }
            }
        }
        filter.finish();
        if (images != null) {
            images.finish();
        }
        if (history != null) {
            history.finish();
        }
        above.forEach(Piece::finish);
        return images == null || !images.stopped();
    }

    private static final ContentSink NO_IMAGES =
            (hi, mid, lo, b, at, length) ->
                    Check.that(false, "content of %s in a base that stays", new Key(hi, mid, lo));

    private static final ValueSink NO_HISTORY =
            (hi, mid, lo, lsn, b, at, length) ->
                    Check.that(false, "history of %s at %x", new Key(hi, mid, lo), lsn);

    /** Null if there is one already, or nothing that old. */
    private @Nullable ImageSequence images(long lowest) {
        boolean reachesDown =
                inputs.stream().anyMatch(f -> Long.compareUnsigned(f.lsns().start(), lowest) <= 0);
        return !base.isEmpty() || !reachesDown
                ? null
                : new ImageSequence(layers, plan.keys(), lowest, target, meter);
    }

    /** Where inputs reach above the cutoff. */
    private List<Piece> above(long cutoff) {
        List<Piece> pieces = new ArrayList<>();
        for (LayerFile input : inputs) {
            if (Long.compareUnsigned(input.lsns().end() - 1, cutoff) > 0) {
                KeyRange keys =
                        new KeyRange(
                                later(input.keys().start(), plan.keys().start()),
                                earlier(input.keys().end(), plan.keys().end()));
                pieces.add(new Piece(keys, new LsnRange(cutoff + 1, input.lsns().end())));
            }
        }
        return pieces;
    }

    /** Deltas have no (key, LSN) in common, so there is just one. */
    private static Piece pieceOf(List<Piece> pieces, LayerCursor c) {
        for (Piece piece : pieces) {
            if (piece.lsns.contains(c.lsn()) && piece.keys.contains(c.hi(), c.mid(), c.lo())) {
                return piece;
            }
        }
        Check.that(false, "no input has the entry at LSN %x that was read", c.lsn());
        return pieces.getFirst();
    }

    private void copy(LayerFile input, KeyRange keys) {
        LayerCursor c = input.entries(keys);
        if (!input.image()) {
            Piece piece = new Piece(keys, input.lsns());
            while (c.next()) {
                meter.read(c.length());
                piece.append(c);
            }
            piece.finish();
            return;
        }
        NewLayers.Image out = layers.image(input.lsns().start(), input.complete());
        while (c.next()) {
            meter.read(c.length());
            out.append(c.hi(), c.mid(), c.lo(), c.bytes(), c.offset() + 1, c.length() - 1);
        }
        if (out.entries() > 0 || input.complete()) {
            out.finish(keys);
        } else {
            out.discard();
        }
    }

    /** The parts of {@code keys} before and behind {@code cut}. */
    private static List<KeyRange> outside(KeyRange keys, KeyRange cut) {
        List<KeyRange> parts = new ArrayList<>(2);
        if (keys.start().compareTo(cut.start()) < 0) {
            parts.add(new KeyRange(keys.start(), earlier(keys.end(), cut.start())));
        }
        if (keys.end().compareTo(cut.end()) > 0) {
            parts.add(new KeyRange(later(keys.start(), cut.end()), keys.end()));
        }
        return parts;
    }

    private static Key earlier(Key a, Key b) {
        return a.compareTo(b) <= 0 ? a : b;
    }

    private static Key later(Key a, Key b) {
        return a.compareTo(b) >= 0 ? a : b;
    }

    /** A part of a delta layer, written as it was; no file if there is nothing in it. */
    private final class Piece {
        private final KeyRange keys;
        private final LsnRange lsns;
        private NewLayers.@Nullable Delta out;

        Piece(KeyRange keys, LsnRange lsns) {
            this.keys = keys;
            this.lsns = lsns;
        }

        void append(LayerCursor c) {
            if (out == null) {
                out = layers.delta(lsns, DeltaForm.MERGED);
            }
            out.append(c.hi(), c.mid(), c.lo(), c.lsn(), c.bytes(), c.offset(), c.length());
        }

        void finish() {
            if (out != null) {
                out.finish(keys, lsns);
            }
        }
    }
}
