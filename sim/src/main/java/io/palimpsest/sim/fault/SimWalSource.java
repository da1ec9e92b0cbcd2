package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.Lsn;
import java.util.Arrays;

/**
 * The WAL of a server that keeps exactly what nobody has acknowledged yet: whoever acknowledges
 * what it does not have durably will not get it again.
 */
public final class SimWalSource {
    private byte[] kept = new byte[1 << 16];
    private int size;
    private long from;

    public SimWalSource(long startLsn) {
        from = startLsn;
    }

    /** The oldest byte there still is. */
    public long keptFrom() {
        return from;
    }

    public long end() {
        return from + size;
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
        System.arraycopy(kept, (int) (lsn - from), into, at, n);
        return n;
    }

    /** All before is durable elsewhere: it is gone here. */
    public void acknowledge(long lsn) {
        Check.that(
                lsn <= end(),
                "acknowledged %s, but there is WAL up to %s only",
                Lsn.toString(lsn),
                Lsn.toString(end()));
        if (lsn > from) {
            int n = (int) (lsn - from);
            System.arraycopy(kept, n, kept, 0, size - n);
            size -= n;
            from = lsn;
        }
    }
}
