package io.palimpsest.compaction;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Decides, key by key, what of a history stays. It is given all values of a range of keys in order
 * of key, then LSN, and passes on:
 *
 * <pre>
 *      base            history
 *   ---------B | --------p1 | --------p2 | ... | --------cutoff
 *    one          per key and interval: from the last initial value on,
 *    content      or one image at the LSN of the newest
 * </pre>
 *
 * B is the lowest LSN of the retention, and its points cut what is above into intervals. A read as
 * of the end of an interval gets what it got before; so does every read above the cutoff, of which
 * nothing is changed. What is not there at the end of its interval, because its relation was
 * dropped or truncated, is left out; but an image at that very LSN stays, since ingest makes the
 * pages of a relation one LSN before it gives it its new size.
 *
 * <p>A read of what is kept takes at most {@code chainDeltas} values from here, however many
 * intervals it spans. At most that many values (or one) are held in memory, besides two images of a
 * page: a longer chain is counted, not kept, since an image will take its place.
 *
 * <p>A complete image may lack a key that is not there, which is to say so: where such an image is
 * among the layers read, a key that it lacks gets the tombstone it stands for, or what is older
 * would come to light.
 *
 * <p>Of the commit times at or below the cutoff only the newest stays, of the markers none. Each
 * sink gets its values in order; one may be a few keys behind another.
 */
public final class RetainedHistory {
    private static final byte[] TOMBSTONE = {StoredValue.IMAGE};

    /** Ends (inclusive) of the intervals, ascending; the last one is the cutoff. */
    private final long[] ends;

    private final boolean keepsBase;
    private final boolean keepsTombstones;
    private final Absences absences;
    private final long commitCutoff;
    private final int chainDeltas;
    private final Pages pages;
    private final ContentSink base;
    private final ValueSink history;

    private boolean started;
    private long hi;
    private long mid;
    private long lo;

    /** The interval that values are held of; above the cutoff {@code ends.length}. */
    private int interval;

    /** Values since the interval's last initial one; those held are the first ones, if any. */
    private int count;

    private final ByteSink held = new ByteSink(16 << 10);
    private final long[] heldLsn;
    private final int[] heldEnd;
    private boolean overfull;
    private boolean startsInitial;
    private boolean newestIsImage;
    private long newestLsn;

    /** Of this key: is anything of it kept so far, and how long is the chain by now? */
    private boolean emitted;

    private int chain;
    private boolean contentKnown;

    /** The interval at whose end {@link #lastContent} is what is there. */
    private int contentInterval;

    private final ByteSink lastContent = new ByteSink(16 << 10);

    private final NewestCommit commit = new NewestCommit();
    private final ByteSink image = new ByteSink(16 << 10);

    private RetainedHistory(
            long[] ends,
            boolean keepsBase,
            boolean keepsTombstones,
            Absences absences,
            long commitCutoff,
            int chainDeltas,
            Pages pages,
            ContentSink base,
            ValueSink history) {
        this.ends = ends;
        this.keepsBase = keepsBase;
        this.keepsTombstones = keepsTombstones;
        this.absences = absences;
        this.commitCutoff = commitCutoff;
        this.chainDeltas = chainDeltas;
        this.pages = pages;
        this.base = base;
        this.history = history;
        heldLsn = new long[Math.max(1, chainDeltas)];
        heldEnd = new int[Math.max(1, chainDeltas)];
    }

    /**
     * For {@link CompactionPlan.DropHistory}.
     *
     * @param hasAncestor the timeline has an ancestor, or layers adopted from one: tombstones hide
     *     what is there
     * @param adopted as in {@link LayerInventory#adopted}
     * @param base takes contents as of the lowest LSN; nothing if the plan keeps its base
     * @param history takes values above that, up to the cutoff
     */
    public static RetainedHistory of(
            CompactionPlan.DropHistory plan,
            boolean hasAncestor,
            List<Long> adopted,
            int chainDeltas,
            Pages pages,
            ContentSink base,
            ValueSink history) {
        Retention retention = plan.retention();
        long[] ends = new long[retention.points().size() + 1];
        for (int i = 0; i < ends.length - 1; i++) {
            ends[i] = retention.points().get(i);
        }
        ends[ends.length - 1] = retention.cutoff();
        List<LayerDescriptor> read = new ArrayList<>(plan.base());
        read.addAll(plan.inputs());
        return new RetainedHistory(
                ends,
                !plan.base().isEmpty(),
                hasAncestor,
                new Absences(read, adopted),
                retention.cutoff(),
                chainDeltas,
                pages,
                base,
                history);
    }

    /**
     * For {@link CompactionPlan.CreateImages}: contents as of the plan's LSN, and nothing else.
     *
     * @param cutoff of the timeline's retention: commit times and markers below are left out
     */
    public static RetainedHistory image(
            CompactionPlan.CreateImages plan,
            long cutoff,
            boolean hasAncestor,
            List<Long> adopted,
            Pages pages,
            ContentSink base) {
        return new RetainedHistory(
                new long[] {plan.lsn()},
                false,
                hasAncestor,
                new Absences(plan.inputs(), adopted),
                cutoff,
                0,
                pages,
                base,
                (hi, mid, lo, lsn, b, at, length) ->
                        Check.that(false, "history in an image, at LSN %x", lsn));
    }

    /**
     * Takes the next stored value, {@code b[at .. at+length)}, not to be kept. Those above the last
     * retained LSN are passed over.
     */
    public void accept(
            long keyHi, long keyMid, long keyLo, long lsn, byte[] b, int at, int length) {
        if (!started || keyHi != hi || keyMid != mid || keyLo != lo) {
            startKey(keyHi, keyMid, keyLo);
        }
        fill(lsn);
        add(lsn, b, at, length);
    }

    /** Adds the tombstones that complete images below the LSN (exclusive) stand for. */
    private void fill(long lsn) {
        long absent = absences.next(lsn);
        while (absent != Absences.NONE) {
            add(absent, TOMBSTONE, 0, 1);
            absent = absences.next(lsn);
        }
    }

    private void add(long lsn, byte[] b, int at, int length) {
        absences.seen(lsn);
        if (interval < ends.length && Long.compareUnsigned(lsn, ends[interval]) > 0) {
            close();
            interval = intervalOf(lsn);
        }
        if (interval < ends.length) {
            hold(lsn, b, at, length);
        }
    }

    /** After the last entry. */
    public void finish() {
        if (started) {
            endKey();
            commit.pass();
        }
        started = false;
    }

    private void endKey() {
        fill(-1L);
        close();
    }

    private void startKey(long keyHi, long keyMid, long keyLo) {
        if (started) {
            endKey();
            if (keyHi >>> 32 != Keys.COMMIT_TIME) {
                commit.pass();
            }
        }
        started = true;
        hi = keyHi;
        mid = keyMid;
        lo = keyLo;
        absences.startKey(keyHi, keyMid, keyLo);
        interval = 0;
        count = 0;
        emitted = false;
        chain = 0;
        contentKnown = false;
    }

    /** The first interval that ends at or above the LSN. */
    private int intervalOf(long lsn) {
        int low = interval;
        int high = ends.length;
        while (low < high) {
            int i = low + high >>> 1;
            if (Long.compareUnsigned(ends[i], lsn) < 0) {
                low = i + 1;
            } else {
                high = i;
            }
        }
        return low;
    }

    private void hold(long lsn, byte[] b, int at, int length) {
        boolean initial = StoredValue.isInitial(b, at);
        if (initial || count == 0) {
            count = 0;
            held.clear();
            overfull = false;
            startsInitial = initial;
        }
        newestLsn = lsn;
        newestIsImage = StoredValue.kind(b, at) == StoredValue.IMAGE;
        // A base is made of the newest value alone, if it is an image, or by reading the page.
        overfull |= count == heldLsn.length || interval == 0 && !newestIsImage;
        if (overfull) {
            held.clear();
        } else {
            held.bytes(b, at, length);
            heldLsn[count] = lsn;
            heldEnd[count] = held.size();
        }
        count++;
    }

    /** The values of the interval are all there: passes on what stays. */
    private void close() {
        if (count == 0 || interval == ends.length) {
            return;
        }
        if (hi >>> 32 == Keys.MARKER && Long.compareUnsigned(mid, commitCutoff) <= 0) {
            // Nobody can go there any more.
            count = 0;
            return;
        }
        if (interval == 0 && keepsBase) {
            emitted = newestIsImage && newestLsn == ends[0] && !isTombstone();
            if (emitted) {
                know(held.array(), 1, held.size() - 1);
            }
            count = 0;
            return;
        }
        if (hi >>> 32 == Keys.COMMIT_TIME && commit.takes()) {
            count = 0;
            return;
        }
        if (interval == 0) {
            closeBase();
        } else if (!isDead()) {
            closeInterval();
        }
        count = 0;
    }

    private boolean isTombstone() {
        return newestIsImage && held.size() == 1 && !Keys.isPage(hi);
    }

    private boolean isDead() {
        boolean justMade = newestIsImage && newestLsn == ends[interval];
        return Keys.isPage(hi) && !justMade && !pages.live(hi, mid, lo, ends[interval]);
    }

    private void closeBase() {
        if (isTombstone() && !keepsTombstones || isDead()) {
            return;
        }
        if (newestIsImage) {
            know(held.array(), 1, held.size() - 1);
            base.content(hi, mid, lo, held.array(), 1, held.size() - 1);
        } else {
            byte[] content = pages.at(hi, mid, lo, ends[0]);
            if (content == null) {
                return;
            }
            know(content, 0, content.length);
            base.content(hi, mid, lo, content, 0, content.length);
        }
        emitted = true;
    }

    private void closeInterval() {
        int length = startsInitial ? count : chain + count;
        if (newestIsImage) {
            boolean hidesNothing = isTombstone() && !emitted && !keepsTombstones;
            if (hidesNothing || isUnchanged(held.array(), 1, held.size() - 1)) {
                return;
            }
            history.value(hi, mid, lo, newestLsn, held.array(), 0, held.size());
            know(held.array(), 1, held.size() - 1);
            chain = 0;
        } else if (!overfull && length <= chainDeltas) {
            int from = 0;
            for (int i = 0; i < count; i++) {
                history.value(hi, mid, lo, heldLsn[i], held.array(), from, heldEnd[i] - from);
                from = heldEnd[i];
            }
            chain = length;
            contentKnown = false;
        } else {
            byte[] content = pages.at(hi, mid, lo, ends[interval]);
            if (content == null) {
                return;
            }
            image.clear();
            StoredValue.image(image, content, 0, content.length);
            history.value(hi, mid, lo, newestLsn, image.array(), 0, image.size());
            know(content, 0, content.length);
            chain = 0;
        }
        emitted = true;
    }

    private void know(byte[] b, int at, int length) {
        lastContent.clear();
        lastContent.bytes(b, at, length);
        contentKnown = true;
        contentInterval = interval;
    }

    /**
     * Is it what a read just below the interval gets anyway, and will get when the intervals below
     * are done away with? Image layers repeat what is old; but what was made anew after its
     * relation had been cut off only looks so.
     */
    private boolean isUnchanged(byte[] b, int at, int length) {
        return contentKnown
                && Arrays.equals(lastContent.array(), 0, lastContent.size(), b, at, at + length)
                && (!Keys.isPage(hi) || liveSinceKnown());
    }

    private boolean liveSinceKnown() {
        for (int i = contentInterval; i < interval; i++) {
            if (!pages.live(hi, mid, lo, ends[i])) {
                return false;
            }
        }
        return true;
    }

    /** The newest commit time at or below the cutoff, held back until a newer one is seen. */
    private final class NewestCommit {
        private byte @Nullable [] value;
        private long keyHi;
        private long keyMid;
        private long keyLo;
        private long lsn;

        /** Takes the value held by the filter; false if it is above the cutoff and stays. */
        boolean takes() {
            // An image layer holds it at another LSN than that of the commit.
            Check.that(held.size() == 17, "commit time of %d bytes", held.size() - 1);
            if (Long.compareUnsigned(Bytes.i64(held.array(), 9), commitCutoff) > 0) {
                pass();
                return false;
            }
            value = held.toByteArray();
            keyHi = hi;
            keyMid = mid;
            keyLo = lo;
            lsn = newestLsn;
            return true;
        }

        void pass() {
            byte[] v = value;
            if (v == null) {
                return;
            }
            if (Long.compareUnsigned(lsn, ends[0]) <= 0) {
                base.content(keyHi, keyMid, keyLo, v, 1, v.length - 1);
            } else {
                history.value(keyHi, keyMid, keyLo, lsn, v, 0, v.length);
            }
            value = null;
        }
    }
}
