package io.palimpsest.timeline;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.Collected;
import io.palimpsest.layer.ImageScan;
import io.palimpsest.layer.LayerMap;
import io.palimpsest.layer.ReadTrace;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.layer.SharedBlocks;
import io.palimpsest.pg.Page;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Reads one key as of one LSN:
 *
 * <ol>
 *   <li>take the timeline's layer map, an immutable snapshot;
 *   <li>collect the key's values newest first, layer by layer, down to the first that needs nothing
 *       below it;
 *   <li>if there is none, go on in the ancestor, from the branch point;
 *   <li>apply what was collected, oldest first.
 * </ol>
 *
 * No lock is taken. The scratch space of a read is kept for the next one, whoever does it.
 */
final class ReadPath {
    private static final int SPARES = 16;

    /** A read of more values than this is not done on the thread that serves other clients. */
    private static final int FEW_VALUES = 32;

    /** What a read works with; one reader at a time. */
    private static final class Scratch {
        final Reconstruction values = new Reconstruction();
        final SharedBlocks blocks = new SharedBlocks();
        final byte[] page = new byte[Page.SIZE];
        final HistoryRedo redo;

        Scratch(HistoryRedo redo) {
            this.redo = redo;
        }
    }

    private final Timeline timeline;
    private final AtomicReferenceArray<@Nullable Scratch> spares =
            new AtomicReferenceArray<>(SPARES);

    ReadPath(Timeline timeline) {
        this.timeline = timeline;
    }

    /** The u32 under a size key, or -1 if there is none. */
    SizeAt size(long hi, long mid, long lo, long lsn) {
        Scratch s = take(timeline.redoContext());
        try {
            int at = collectImage(s.values, hi, mid, lo, lsn);
            return new SizeAt(
                    at < 0 ? -1 : Bytes.i32(s.values.bytes(), at),
                    s.values.count() == 0 ? lsn : s.values.lsn(0));
        } finally {
            giveBack(s);
        }
    }

    /** The same of a size that there is, without blocking; null if there is none or it would. */
    @Nullable SizeAt trySize(long hi, long mid, long lo, long lsn, RedoContext context) {
        Scratch s = take(context);
        try {
            Reconstruction values = s.values;
            values.reset(hi, mid, lo, lsn);
            values.limit(FEW_VALUES);
            boolean found =
                    collect(values, false) == Collected.COMPLETE
                            && values.length(0) == 5
                            && StoredValue.kind(values.bytes(), values.offset(0))
                                    == StoredValue.IMAGE;
            return found
                    ? new SizeAt(Bytes.i32(values.bytes(), values.offset(0) + 1), values.lsn(0))
                    : null;
        } finally {
            giveBack(s);
        }
    }

    /**
     * The content under a key that holds images only, or null. Without scratch: how to redo is
     * itself read this way.
     */
    byte @Nullable [] image(long hi, long mid, long lo, long lsn) {
        Reconstruction values = new Reconstruction();
        int at = collectImage(values, hi, mid, lo, lsn);
        return at < 0 ? null : Arrays.copyOfRange(values.bytes(), at, at + values.length(0) - 1);
    }

    /**
     * Offset of the content in the collected bytes, or -1 if there is none or it is a tombstone.
     */
    private int collectImage(Reconstruction values, long hi, long mid, long lo, long lsn) {
        values.reset(hi, mid, lo, lsn);
        Collected _ = collect(values, true);
        if (values.count() == 0 || values.length(0) == 1) {
            return -1;
        }
        int at = values.offset(0);
        if (StoredValue.kind(values.bytes(), at) != StoredValue.IMAGE) {
            throw PageserverException.corruption(
                    "key %s at %s: expected an image, found a value of kind %d",
                    new Key(hi, mid, lo),
                    Lsn.toString(values.lsn(0)),
                    StoredValue.kind(values.bytes(), at));
        }
        return at + 1;
    }

    /** The page under a key, into {@code into[at .. at+8192)}. */
    void page(long hi, long mid, long lo, long lsn, byte[] into, int at) {
        Scratch s = take(timeline.redoContext());
        try {
            page(s, hi, mid, lo, lsn, into, at);
        } finally {
            giveBack(s);
        }
    }

    private void page(Scratch s, long hi, long mid, long lo, long lsn, byte[] into, int at) {
        Reconstruction values = s.values;
        values.reset(hi, mid, lo, lsn);
        if (collect(values, true) != Collected.COMPLETE) {
            throw incomplete(values, hi, mid, lo, lsn);
        }
        if (!isImage(values)) {
            s.redo.redo(values, s.page);
            System.arraycopy(s.page, 0, into, at, Page.SIZE);
        } else {
            System.arraycopy(values.bytes(), values.offset(0) + 1, into, at, Page.SIZE);
        }
    }

    /**
     * The pages of a batch to their places in {@code into}, without asking whether they are within
     * their relations. A block of a layer file is decoded once for all of them, and blocks next to
     * each other are read at once. At the first failure it ends: which page it is of, the pages one
     * by one tell.
     */
    void pages(PageBatch batch, byte[] into) {
        Scratch s = take(timeline.redoContext());
        s.blocks.begin(batch.keys(), batch.size());
        s.values.share(s.blocks);
        try {
            for (int i = 0; i < batch.size(); i++) {
                s.blocks.current(i);
                page(s, batch.hi(i), batch.mid(i), batch.lo(i), batch.lsn(i), into, batch.at(i));
            }
        } finally {
            s.values.share(null);
            s.blocks.clear();
            giveBack(s);
        }
    }

    /** The page under a key, and to whom it may concern how it came about. */
    void page(Key key, long lsn, byte[] into, int at, ReadTrace trace) {
        Scratch s = take(timeline.redoContext());
        s.values.trace(trace);
        try {
            page(s, key.hi(), key.mid(), key.lo(), lsn, into, at);
        } finally {
            s.values.trace(null);
            giveBack(s);
        }
    }

    /** The same without blocking and of few values only, or false. */
    boolean tryPage(
            long hi, long mid, long lo, long lsn, byte[] into, int at, RedoContext context) {
        Scratch s = take(context);
        try {
            Reconstruction values = s.values;
            values.reset(hi, mid, lo, lsn);
            values.limit(FEW_VALUES);
            if (collect(values, false) != Collected.COMPLETE) {
                return false;
            }
            if (isImage(values)) {
                System.arraycopy(values.bytes(), values.offset(0) + 1, into, at, Page.SIZE);
                return true;
            }
            if (!s.redo.tryRedo(values, s.page)) {
                return false;
            }
            System.arraycopy(s.page, 0, into, at, Page.SIZE);
            return true;
        } finally {
            giveBack(s);
        }
    }

    /** Is the newest value the page itself? */
    private static boolean isImage(Reconstruction values) {
        return values.length(0) == Page.SIZE + 1
                && StoredValue.kind(values.bytes(), values.offset(0)) == StoredValue.IMAGE;
    }

    private PageserverException incomplete(
            Reconstruction values, long hi, long mid, long lo, long lsn) {
        String found =
                values.count() == 0
                        ? "nothing at all"
                        : values.count()
                                + " deltas from "
                                + Lsn.toString(values.lsn(values.count() - 1))
                                + " on, and nothing to apply them to";
        return new PageserverException(
                ErrorCode.CORRUPTION,
                "page under key "
                        + new Key(hi, mid, lo)
                        + " at "
                        + Lsn.toString(lsn)
                        + " of timeline "
                        + timeline.id()
                        + ": expected an image or an initialising record, found "
                        + found);
    }

    /** Collects down to an initial value: COMPLETE, MORE if there is none, or NOT_READY. */
    private Collected collect(Reconstruction values, boolean mayBlock) {
        long lsn = values.below() - 1;
        while (true) {
            int before = timeline.structure();
            Collected found = collectOnce(values, mayBlock);
            if (found != Collected.STALE && timeline.structure() == before) {
                return found;
            }
            // A timeline was detached or deleted: an ancestor may have let go of what was read. Or
            // a layer went: below the cutoff what was collected of it may be an image by now, at
            // the LSN where it began, and what lay below is gone.
            if (!mayBlock) {
                return Collected.NOT_READY;
            }
            timeline.checkOpen();
            values.reset(values.hi(), values.mid(), values.lo(), lsn);
        }
    }

    /** The same, or STALE if a layer went before it was read. */
    private Collected collectOnce(Reconstruction values, boolean mayBlock) {
        Timeline t = timeline;
        while (true) {
            // Taken before the layers: those of a detached branch hold all that the ancestor had.
            BranchPoint at = t.branchPoint();
            ReadTrace trace = values.trace();
            if (trace != null) {
                trace.timeline(t.id(), values.below());
            }
            LayerMap layers = t.layers();
            Collected found = mayBlock ? layers.collect(values) : layers.tryCollect(values);
            if (found == Collected.STALE) {
                t.checkOpen();
                tellRetried(t);
                return found;
            }
            if (found != Collected.MORE || at == null) {
                return found;
            }
            // The ancestor's own history goes on past the branch point: not ours.
            values.lower(at.lsn() + 1);
            t = at.ancestor();
        }
    }

    /** Newest images of the range's keys, ancestors included. */
    void scan(KeyRange range, long lsn, ImageScan into) {
        int before;
        boolean done;
        do {
            timeline.checkOpen();
            before = timeline.structure();
            // A key that was deleted above a value that was offered, in a layer that went, may be
            // in no layer any more: then nothing would outdo that value.
            into.clear();
            done = scanOnce(range, lsn, into);
        } while (!done || timeline.structure() != before);
    }

    /** False if a layer went before it was read. */
    private boolean scanOnce(KeyRange range, long lsn, ImageScan into) {
        long bound = lsn;
        Timeline t = timeline;
        while (t != null) {
            BranchPoint at = t.branchPoint();
            if (t.layers().scan(range, bound, into) == Collected.STALE) {
                t.checkOpen();
                tellRetried(t);
                return false;
            }
            t = at == null ? null : at.ancestor();
            bound = at == null ? bound : Math.min(bound, at.lsn());
        }
        return true;
    }

    private static void tellRetried(Timeline t) {
        t.environment().tracer().event(Event.READ_RETRIED, t.subject(), "a layer went");
    }

    private Scratch take(RedoContext context) {
        for (int i = 0; i < SPARES; i++) {
            Scratch s = spares.get(i);
            if (s != null && spares.compareAndSet(i, s, null) && s.redo.context().equals(context)) {
                return s;
            }
        }
        Environment world = timeline.environment();
        return new Scratch(
                new HistoryRedo(context, world.redo(), world.tracer(), timeline.subject()));
    }

    private void giveBack(Scratch s) {
        for (int i = 0; i < SPARES; i++) {
            if (spares.get(i) == null && spares.compareAndSet(i, null, s)) {
                return;
            }
        }
    }
}
