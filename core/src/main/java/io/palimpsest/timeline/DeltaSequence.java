package io.palimpsest.timeline;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.compaction.ValueSink;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Writes values as delta layers of about the target size. They are cut between keys:
 *
 * <pre>
 *   LSN ^  +--------+-----------+------+--+--------+
 *       |  |        |           |      |  |        |      a key with more than a file to itself is
 *       |  |        |           |      +--+        |      cut by LSN, and shares its files with no
 *       |  |        |           |      |  |        |      other: deltas with a key in common must
 *       |  +--------+-----------+------+--+--------+      not have an LSN in common
 *       +------------------------------------------> key
 * </pre>
 *
 * A key's values are held back until it is known whether they fit; if they are many, the key starts
 * a file of its own, and what comes goes straight into it.
 */
final class DeltaSequence implements ValueSink {
    /** Of the target size: a key with more than this starts a file. */
    private static final int LARGE_KEY_PART = 8;

    private final NewLayers layers;
    private final LsnRange lsns;
    private final long target;
    private final DeltaForm form;

    private NewLayers.@Nullable Delta out;
    private @Nullable Key first;
    private long outStart;
    private long lastHi;
    private long lastMid;
    private long lastLo;

    // The current key, and what is held back of it.
    private long hi;
    private long mid;
    private long lo;
    private boolean any;
    private long lastLsn;
    private int held;
    private long[] heldLsn = new long[64];
    private int[] heldEnd = new int[64];
    private final ByteSink heldBytes = new ByteSink(16 << 10);

    /** Its values go straight to {@link #out}, which starts with it. */
    private boolean large;

    /** It was cut by LSN. */
    private boolean split;

    /**
     * @param lsns of all outputs together
     * @param form of history below the cutoff no key is cut, and its file is larger: what starts
     *     just above the base is known to be reduced already
     */
    DeltaSequence(NewLayers layers, LsnRange lsns, long target, DeltaForm form) {
        this.form = form;
        this.layers = layers;
        this.lsns = lsns;
        this.target = target;
        this.outStart = lsns.start();
    }

    /** Entries come in order of key, then LSN. */
    @Override
    public void value(long keyHi, long keyMid, long keyLo, long lsn, byte[] b, int at, int length) {
        if (!any || keyHi != hi || keyMid != mid || keyLo != lo) {
            endKey();
            hi = keyHi;
            mid = keyMid;
            lo = keyLo;
            any = true;
            outStart = lsns.start();
        }
        if (large) {
            if (open().size() >= target && lsn != lastLsn && form != DeltaForm.HISTORY) {
                finish(new LsnRange(outStart, lsn));
                outStart = lsn;
                split = true;
            }
            write(lsn, b, at, length);
        } else {
            hold(lsn, b, at, length);
            if (heldBytes.size() > target / LARGE_KEY_PART) {
                finish(lsns);
                large = true;
                release();
            }
        }
        lastLsn = lsn;
    }

    /** Completes the last file. */
    void finish() {
        endKey();
        finish(lsns);
    }

    private void hold(long lsn, byte[] b, int at, int length) {
        if (held == heldLsn.length) {
            heldLsn = Arrays.copyOf(heldLsn, 2 * held);
            heldEnd = Arrays.copyOf(heldEnd, 2 * held);
        }
        heldBytes.bytes(b, at, length);
        heldLsn[held] = lsn;
        heldEnd[held++] = heldBytes.size();
    }

    private void endKey() {
        if (split) {
            finish(new LsnRange(outStart, lsns.end()));
        } else if (held > 0) {
            if (out != null && out.size() + heldBytes.size() > target) {
                finish(lsns);
            }
            release();
        }
        large = false;
        split = false;
    }

    private void release() {
        int at = 0;
        for (int i = 0; i < held; i++) {
            write(heldLsn[i], heldBytes.array(), at, heldEnd[i] - at);
            at = heldEnd[i];
        }
        held = 0;
        heldBytes.clear();
    }

    private void write(long lsn, byte[] b, int at, int length) {
        NewLayers.Delta delta = open();
        first = first == null ? new Key(hi, mid, lo) : first;
        delta.append(hi, mid, lo, lsn, b, at, length);
        lastHi = hi;
        lastMid = mid;
        lastLo = lo;
    }

    private NewLayers.Delta open() {
        if (out == null) {
            LsnRange range = new LsnRange(outStart, lsns.end());
            out = layers.delta(range, form);
        }
        return out;
    }

    private void finish(LsnRange range) {
        if (out != null && first != null) {
            out.finish(new KeyRange(first, new Key(lastHi, lastMid, lastLo).next()), range);
        }
        out = null;
        first = null;
    }
}
