package io.palimpsest.layer;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Collects the values of one key that a read at an LSN needs, newest first, down to the first
 * initial one. Made once, reused by {@link #reset}; once grown it makes no garbage.
 */
public final class Reconstruction implements RedoEngine.Values {
    private static final int KEEP_BYTES = 4 << 20;
    private static final int MAX_BYTES = Integer.MAX_VALUE - 16;

    private long hi;
    private long mid;
    private long lo;
    private long below;
    private boolean complete;
    private int count;
    private int size;
    private int skipped;
    private int most;
    private int searches;
    private @Nullable ReadTrace trace;
    private @Nullable SharedBlocks shared;
    private long[] lsn = new long[32];
    private int[] offset = new int[33];
    private byte[] bytes = new byte[64 << 10];

    // What a layer file's search needs between entries, kept here so that a search allocates
    // nothing.
    final EntryReader reader = new EntryReader();
    final long[] groupLsn = new long[LayerFormat.GROUP_ENTRIES];
    final int[] groupAt = new int[LayerFormat.GROUP_ENTRIES];
    final int[] groupLength = new int[LayerFormat.GROUP_ENTRIES];

    /** Starts over for the key as of {@code atLsn} (inclusive; not {@link Lsn#MAX}). */
    public void reset(long keyHi, long keyMid, long keyLo, long atLsn) {
        Check.that(atLsn != -1L, "a read needs a definite LSN");
        hi = keyHi;
        mid = keyMid;
        lo = keyLo;
        below = atLsn + 1;
        complete = false;
        count = 0;
        size = 0;
        skipped = 0;
        searches = 0;
        most = Integer.MAX_VALUE;
        if (bytes.length > KEEP_BYTES) {
            bytes = new byte[64 << 10];
        }
    }

    /**
     * A search that must not block gives up, NOT_READY, once it has looked at this many values of a
     * key. Until reset.
     */
    public void limit(int values) {
        most = values;
    }

    /**
     * Tells this from now on, not only until reset, of each layer that is looked at; null: nobody.
     */
    public void trace(@Nullable ReadTrace newTrace) {
        trace = newTrace;
    }

    /** From now on, not only until reset, this is one of a batch of reads; null: it is not. */
    public void share(@Nullable SharedBlocks blocks) {
        shared = blocks;
    }

    @Nullable SharedBlocks shared() {
        return shared;
    }

    public @Nullable ReadTrace trace() {
        return trace;
    }

    /**
     * Layers whose entries were searched since the reset: those in memory that held the key, and
     * files but for those whose filter knew that the key is not in them.
     */
    public int searches() {
        return searches;
    }

    /** A layer file's index and data are going to be searched. */
    void search() {
        searches++;
    }

    /** A layer in memory has been searched, when there had been so many values. */
    void visited(OpenLayer layer, int values) {
        if (count > values) {
            searches++;
        }
        if (trace != null) {
            trace.memory(layer.startLsn(), count - values);
        }
    }

    /** A layer file has been asked, when there had been so many searches and values. */
    void visited(LayerFile file, int searchesBefore, int values) {
        if (trace != null) {
            trace.file(file.descriptor(), searches > searchesBefore, count - values);
        }
    }

    /** Is it incomplete although the search has looked at as many values as it may? */
    boolean full() {
        return count + skipped >= most && !complete;
    }

    /** The search passes a value that is too new. */
    void skip() {
        skipped++;
    }

    /**
     * Adds the next older value, by copy.
     *
     * @return {@link #complete()}
     */
    public boolean add(long atLsn, byte[] b, int at, int length) {
        Check.that(!complete, "value added to a complete reconstruction");
        // The message costs more than the rest of a read.
        if (Long.compareUnsigned(atLsn, count == 0 ? below - 1 : lsn[count - 1]) > 0) {
            Check.that(false, "value added out of order, LSN %s", Lsn.toString(atLsn));
        }
        if (length > MAX_BYTES - size) {
            throw PageserverException.of(
                    ErrorCode.UNSUPPORTED,
                    "more than %d bytes of values to reconstruct one page at %s",
                    MAX_BYTES,
                    Lsn.toString(atLsn));
        }
        if (count == lsn.length) {
            lsn = Arrays.copyOf(lsn, count * 2);
            offset = Arrays.copyOf(offset, count * 2 + 1);
        }
        if (length > bytes.length - size) {
            bytes =
                    Arrays.copyOf(
                            bytes,
                            (int) Math.min(MAX_BYTES, Math.max(size + (long) length, 2L * size)));
        }
        System.arraycopy(b, at, bytes, size, length);
        lsn[count] = atLsn;
        offset[count] = size;
        size += length;
        offset[++count] = size;
        complete = StoredValue.isInitial(b, at);
        return complete;
    }

    /** Is the oldest value an initial one? */
    public boolean complete() {
        return complete;
    }

    @Override
    public int count() {
        return count;
    }

    /** LSN of value {@code i}; 0 is the newest. */
    @Override
    public long lsn(int i) {
        return lsn[i];
    }

    @Override
    public int offset(int i) {
        return offset[i];
    }

    @Override
    public int length(int i) {
        return offset[i + 1] - offset[i];
    }

    /** Holds the values; valid until the next {@link #add} or {@link #reset}. */
    @Override
    public byte[] bytes() {
        return bytes;
    }

    @Override
    public long hi() {
        return hi;
    }

    @Override
    public long mid() {
        return mid;
    }

    @Override
    public long lo() {
        return lo;
    }

    /** All values at this LSN and above are here; what is missing is below it (exclusive). */
    public long below() {
        return below;
    }

    /**
     * Says that nothing is left at {@code lsn} and above: a layer that starts there has been
     * searched, or the search crosses to an ancestor at {@code lsn} - 1. Never raises.
     */
    public void lower(long toLsn) {
        if (Long.compareUnsigned(toLsn, below) < 0) {
            below = toLsn;
        }
    }

    /** Takes back the values added after there were {@code n}, none of which was initial. */
    void truncate(int n) {
        count = n;
        size = offset[n];
        complete = false;
    }
}
