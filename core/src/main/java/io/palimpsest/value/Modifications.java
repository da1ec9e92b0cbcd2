package io.palimpsest.value;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Key;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What a run of WAL records changes, in record order: (key, LSN, value) in columns over one byte
 * arena, filled by ingest, drained into the open layer, then reused. No object per record.
 *
 * <p>To add one: {@code begin(key, lsn)}, write the value to {@link #out()}, {@code end()}.
 */
public final class Modifications {
    /**
     * CREATE DATABASE by file copy reads every page of the source as of this LSN: too much for a
     * modification, so it is work of its own, as is the removal of relations that are in the way.
     * It takes effect after all that was added before it; nothing is added after it until it is
     * done. What was added with it is at the same LSN and under other keys.
     */
    public record DatabaseCopy(int fromSpc, int fromDb, int toSpc, int toDb, long lsn) {}

    private long[] hi = new long[256];
    private long[] mid = new long[256];
    private long[] lo = new long[256];
    private long[] lsn = new long[256];
    private int[] offset = new int[257];
    private int count;
    private final ByteSink out = new ByteSink(64 * 1024);
    private @Nullable DatabaseCopy copy;

    public void begin(long keyHi, long keyMid, long keyLo, long atLsn) {
        if (count == hi.length) {
            int n = count * 2;
            hi = Arrays.copyOf(hi, n);
            mid = Arrays.copyOf(mid, n);
            lo = Arrays.copyOf(lo, n);
            lsn = Arrays.copyOf(lsn, n);
            offset = Arrays.copyOf(offset, n + 1);
        }
        hi[count] = keyHi;
        mid[count] = keyMid;
        lo[count] = keyLo;
        lsn[count] = atLsn;
        offset[count] = out.size();
    }

    public void end() {
        offset[++count] = out.size();
    }

    /** The arena that the value begun is written to (append only). */
    public ByteSink out() {
        return out;
    }

    public void image(Key key, long atLsn, byte[] content, int at, int length) {
        begin(key.hi(), key.mid(), key.lo(), atLsn);
        StoredValue.image(out, content, at, length);
        end();
    }

    public void image(Key key, long atLsn, byte[] content) {
        image(key, atLsn, content, 0, content.length);
    }

    /** "Not there from this LSN on", for the kinds of key that may be absent. */
    public void tombstone(Key key, long atLsn) {
        begin(key.hi(), key.mid(), key.lo(), atLsn);
        out.u8(StoredValue.IMAGE);
        end();
    }

    public void copyDatabase(DatabaseCopy request) {
        copy = request;
    }

    public @Nullable DatabaseCopy copy() {
        return copy;
    }

    public int count() {
        return count;
    }

    /** Bytes of values held. */
    public int bytes() {
        return out.size();
    }

    public void clear() {
        count = 0;
        copy = null;
        out.clear();
    }

    public long hi(int i) {
        return hi[i];
    }

    public long mid(int i) {
        return mid[i];
    }

    public long lo(int i) {
        return lo[i];
    }

    public long lsn(int i) {
        return lsn[i];
    }

    /** The values' bytes; value {@code i} is at {@link #offset}, {@link #length} bytes. */
    public byte[] array() {
        return out.array();
    }

    public int offset(int i) {
        return offset[i];
    }

    public int length(int i) {
        return offset[i + 1] - offset[i];
    }
}
