package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.Lsn;
import java.util.Arrays;

/**
 * The WAL of a server that keeps exactly what nobody has acknowledged yet: whoever acknowledges
 * what it does not have durably will not get it again.
 */
public final class SimWalSource {
    private final boolean archived;

    /** From {@link #base} on. */
    private byte[] kept = new byte[1 << 16];

    private int size;
    private long base;
    private long from;

    public SimWalSource(long startLsn) {
        this(startLsn, false);
    }

    /**
     * @param archived a standby may {@link #copy} what is not kept any more
     */
    public SimWalSource(long startLsn, boolean archived) {
        base = startLsn;
        from = startLsn;
        this.archived = archived;
    }

    /** The oldest byte there still is. */
    public long keptFrom() {
        return from;
    }

    public long end() {
        return base + size;
    }

    public void append(byte[] wal, int offset, int length) {
        if (kept.length - size < length) {
            kept = Arrays.copyOf(kept, Math.max(2 * kept.length, size + length));
        }
        System.arraycopy(wal, offset, kept, size, length);
        size += length;
    }

    /** Copies the bytes from {@code lsn} on, {@code max} at most; how many. */
    public int read(long lsn, byte[] into, int at, int max) {
        Check.that(
                lsn >= from && lsn <= end(),
                "WAL at %s: there is only that from %s on",
                Lsn.toString(lsn),
                Lsn.toString(from));
        int n = (int) Math.min(max, end() - lsn);
        System.arraycopy(kept, (int) (lsn - base), into, at, n);
        return n;
    }

    /** What a standby gets: the bytes from one LSN to another, kept for us or not. */
    public byte[] copy(long lsn, long end) {
        Check.that(
                archived && lsn >= base && end <= end(),
                "no WAL from %s to %s",
                Lsn.toString(lsn),
                Lsn.toString(end));
        return Arrays.copyOfRange(kept, (int) (lsn - base), (int) (end - base));
    }

    /** What is beyond is lost. */
    public void cutTo(long lsn) {
        Check.that(
                lsn >= from && lsn <= end(),
                "cut at %s, which is not within what there is, up to %s",
                Lsn.toString(lsn),
                Lsn.toString(end()));
        size = (int) (lsn - base);
    }

    /** All before is durable elsewhere: it is gone here. */
    public void acknowledge(long lsn) {
        Check.that(
                lsn <= end(),
                "acknowledged %s, but there is WAL up to %s only",
                Lsn.toString(lsn),
                Lsn.toString(end()));
        if (lsn > from) {
            from = lsn;
            if (!archived) {
                int n = (int) (lsn - base);
                System.arraycopy(kept, n, kept, 0, size - n);
                size -= n;
                base = lsn;
            }
        }
    }
}
