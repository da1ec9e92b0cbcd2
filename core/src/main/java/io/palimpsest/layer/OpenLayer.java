package io.palimpsest.layer;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.KeyRange;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * The layer that ingest writes to, in memory. One task appends; any number read at the same time,
 * without locks.
 *
 * <p>Entries lie in chunks that never move, each linked to the one before it of the same key:
 *
 * <pre>
 *   0  u64 LSN   8  i64 address of the entry before, 0 = none   16  u32 length   20  value
 * </pre>
 *
 * An address is (chunk number + 1) &lt;&lt; 32 | offset. Hash tables ({@link KeyTable}: one for
 * pages, one for the keys that hold only images, so that scans of directories do not wade through
 * pages) lead from a key to its newest entry.
 *
 * <p>Order: LSNs of a key never go back, and those of the layer by one at most. Of entries of one
 * key at one LSN, the one appended later is the newer one; nothing is replaced.
 *
 * <p>Publication: the writer fills an entry, then stores its address into the table with release;
 * readers load it with acquire. A reader that learnt of an LSN from the writer, in any way that
 * orders memory, after all entries up to it were appended, finds them all, even if tables grew
 * meanwhile.
 */
public final class OpenLayer {
    private static final int ENTRY_HEADER = 20;
    private static final int FIRST_CHUNK = 4 << 10;

    /**
     * With its header no more than 4 MiB: for the JVM's collector that is an object of some whole
     * regions, which it never moves, in heaps up to 16 GiB.
     */
    private static final int CHUNK = (4 << 20) - 32;

    /** Entries that are looked at together, so that the misses of the cache overlap. */
    private static final int TOGETHER = 32;

    private static final int CACHE_LINE = 64;
    private static final VarHandle CHUNKS;
    private static final VarHandle PAGES;
    private static final VarHandle OTHERS;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            CHUNKS = lookup.findVarHandle(OpenLayer.class, "chunks", byte[][].class);
            PAGES = lookup.findVarHandle(OpenLayer.class, "pages", KeyTable.class);
            OTHERS = lookup.findVarHandle(OpenLayer.class, "others", KeyTable.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final long startLsn;
    private byte[][] chunks = new byte[8][];
    private int chunkCount;
    private int free;
    private KeyTable pages = new KeyTable(64);
    private KeyTable others = new KeyTable(64);
    private long allocated;
    private long newest;

    /** What was loaded only to have it in the cache; written so that the loads stay. */
    @SuppressWarnings("UnusedVariable")
    private long touched;

    private volatile long bytes;
    private volatile long firstLsn;
    private volatile long lastLsn;

    /**
     * @param startLsn no entry will be below it
     */
    public OpenLayer(long startLsn) {
        this.startLsn = startLsn;
        bytes = pages.bytes() + others.bytes();
    }

    /**
     * Appends modifications {@code from} (inclusive) to {@code to} (exclusive), in LSN order; only
     * the pages that a record makes exist come one LSN below the rest of it, among entries of other
     * keys in any order. Writer only.
     */
    public void append(Modifications m, int from, int to) {
        for (int i = from; i < to; i++) {
            if ((i - from) % TOGETHER == 0) {
                touch(m, i, Math.min(to, i + TOGETHER));
            }
            append(m.hi(i), m.mid(i), m.lo(i), m.lsn(i), m.array(), m.offset(i), m.length(i));
        }
        if (from < to) {
            firstLsn = firstLsn == 0 ? m.lsn(from) : firstLsn;
            lastLsn = newest;
            bytes = allocated + pages.bytes() + others.bytes();
        }
    }

    /** Loads the slots that the keys start from. */
    private void touch(Modifications m, int from, int to) {
        long sum = 0;
        for (int i = from; i < to; i++) {
            long hi = m.hi(i);
            sum += (Keys.isPage(hi) ? pages : others).home(hi, m.mid(i), m.lo(i));
        }
        touched = sum;
    }

    private void append(long hi, long mid, long lo, long lsn, byte[] b, int at, int length) {
        boolean back = Long.compareUnsigned(lsn, newest) < 0;
        Check.that(
                lsn != 0
                        && Long.compareUnsigned(lsn, startLsn) >= 0
                        && (!back || lsn + 1 == newest),
                "appended LSN %x goes back behind %x",
                lsn,
                newest);
        Check.that(length > 0, "stored value of %d bytes", length);
        boolean page = Keys.isPage(hi);
        KeyTable table = page ? pages : others;
        int slot = table.slot(hi, mid, lo);
        long before = table.head(slot);
        Check.that(
                !back
                        || before == 0
                        || Long.compareUnsigned(Bytes.i64(chunks[chunk(before)], (int) before), lsn)
                                <= 0,
                "appended LSN %x goes back behind its key's",
                lsn);
        if (before == 0 && table.full()) {
            table = table.grown();
            // Not visible to a reader before the table is; it holds all that the old one held.
            (page ? PAGES : OTHERS).setRelease(this, table);
            slot = table.slot(hi, mid, lo);
        }
        long address = place(length);
        byte[] chunk = chunks[chunk(address)];
        int p = (int) address;
        Bytes.putI64(chunk, p, lsn);
        Bytes.putI64(chunk, p + 8, before);
        Bytes.putI32(chunk, p + 16, length);
        System.arraycopy(b, at, chunk, p + ENTRY_HEADER, length);
        table.put(slot, hi, mid, lo, address);
        newest = back ? newest : lsn;
    }

    /** Room for an entry: in the current chunk, or in a new one that is large enough. */
    private long place(int length) {
        int need = Math.addExact(length, ENTRY_HEADER);
        if (chunkCount == 0 || chunks[chunkCount - 1].length - free < need) {
            int size = Math.min(FIRST_CHUNK << Math.min(chunkCount, 10), CHUNK);
            byte[] chunk = new byte[Math.max(size, need)];
            byte[][] directory = chunks;
            if (chunkCount == directory.length) {
                directory = Arrays.copyOf(directory, chunkCount * 2);
            }
            directory[chunkCount++] = chunk;
            CHUNKS.setRelease(this, directory);
            allocated += chunk.length;
            free = 0;
        }
        long address = (long) chunkCount << 32 | free;
        free += need;
        return address;
    }

    private static int chunk(long address) {
        return (int) (address >>> 32) - 1;
    }

    private KeyTable table(long hi) {
        return (KeyTable) (Keys.isPage(hi) ? PAGES : OTHERS).getAcquire(this);
    }

    /**
     * Collects the key's values below {@code r.below()}, newest first, until one is initial;
     * otherwise lowers {@code r} to just above the start of this layer: at that very LSN other
     * layers may hold other keys, if something large was written in parts.
     *
     * @return complete
     */
    public boolean collect(Reconstruction r) {
        KeyTable table = table(r.hi());
        long address = table.find(r.hi(), r.mid(), r.lo());
        byte[][] directory = (byte[][]) CHUNKS.getAcquire(this);
        while (address != 0) {
            byte[] chunk = directory[chunk(address)];
            int p = (int) address;
            long lsn = Bytes.i64(chunk, p);
            if (r.full()) {
                return false;
            }
            if (Long.compareUnsigned(lsn, r.below()) >= 0) {
                r.skip();
            } else if (r.add(lsn, chunk, p + ENTRY_HEADER, Bytes.i32(chunk, p + 16))) {
                return true;
            }
            address = Bytes.i64(chunk, p + 8);
        }
        r.lower(startLsn + 1);
        return false;
    }

    /**
     * Offers the content of every key in the range as of {@code lsn} (inclusive); the keys hold
     * only images.
     */
    public void scan(KeyRange range, long lsn, ImageScan into) {
        Check.that(!Keys.isPage(range.start().hi()), "scan over pages, from %s", range.start());
        KeyTable table = (KeyTable) OTHERS.getAcquire(this);
        for (int slot = 0; slot < table.slots(); slot++) {
            long address = table.headAcquire(slot);
            if (address == 0 || !range.contains(table.hi(slot), table.mid(slot), table.lo(slot))) {
                continue;
            }
            byte[][] directory = (byte[][]) CHUNKS.getAcquire(this);
            byte[] chunk = directory[chunk(address)];
            while (address != 0 && Long.compareUnsigned(Bytes.i64(chunk, (int) address), lsn) > 0) {
                address = Bytes.i64(chunk, (int) address + 8);
                chunk = address == 0 ? chunk : directory[chunk(address)];
            }
            if (address != 0) {
                int p = (int) address;
                Check.that(
                        StoredValue.kind(chunk, p + ENTRY_HEADER) == StoredValue.IMAGE,
                        "a delta under a key that holds images, kind %x",
                        table.hi(slot) >>> 32);
                into.offer(
                        table.hi(slot),
                        table.mid(slot),
                        table.lo(slot),
                        Bytes.i64(chunk, p),
                        chunk,
                        p + ENTRY_HEADER + 1,
                        Bytes.i32(chunk, p + 16) - 1);
            }
        }
    }

    /** Memory taken by entries and index, as of the last append. */
    public long bytes() {
        return bytes;
    }

    public boolean isEmpty() {
        return firstLsn == 0;
    }

    public long startLsn() {
        return startLsn;
    }

    /** LSN of the first entry; 0 if there is none. */
    public long firstLsn() {
        return firstLsn;
    }

    /** LSN of the newest entry; 0 if there is none. */
    public long lastLsn() {
        return lastLsn;
    }

    /** All entries in order, for flushing. The layer must not be appended to any more. */
    public LayerCursor sorted() {
        return new Sorted();
    }

    /** Goes through keys in order, and along each key's chain from its far end. */
    final class Sorted implements LayerCursor {
        private final SortedKeys keys = SortedKeys.of(pages, others);
        private final byte[][] directory = (byte[][]) CHUNKS.getAcquire(OpenLayer.this);
        private int key = -1;
        private int relation = -1;
        private int relationEnd;
        private long hi;
        private long mid;
        private long[] chain = new long[16];
        private int left;
        private byte[] chunk = new byte[0];
        private int p;

        /** As {@link #touched}. */
        @SuppressWarnings("UnusedVariable")
        private int seen;

        /** Loads the newest entries of the next keys, two cache lines each. */
        private void touch() {
            int end = Math.min(keys.size(), key + TOGETHER);
            for (int i = key; i < end; i++) {
                long address = keys.address(i);
                byte[] b = directory[chunk(address)];
                int at = (int) address;
                seen += b[at] + b[Math.min(at + CACHE_LINE, b.length - 1)];
            }
        }

        @Override
        public boolean next() {
            if (left > 0) {
                at(chain[--left]);
                return true;
            }
            if (++key >= keys.size()) {
                key = keys.size();
                return false;
            }
            while (key >= relationEnd) {
                relation++;
                relationEnd = keys.end(relation);
                hi = keys.hi(relation);
                mid = keys.mid(relation);
            }
            if (key % TOGETHER == 0) {
                touch();
            }
            long address = keys.address(key);
            at(address);
            long before = Bytes.i64(chunk, p + 8);
            if (before != 0) {
                unroll(address, before);
                at(chain[--left]);
            }
            return true;
        }

        private void at(long address) {
            chunk = directory[chunk(address)];
            p = (int) address;
        }

        private void unroll(long newest, long before) {
            chain[left++] = newest;
            for (long address = before; address != 0; ) {
                if (left == chain.length) {
                    chain = Arrays.copyOf(chain, left * 2);
                }
                chain[left++] = address;
                address = Bytes.i64(directory[chunk(address)], (int) address + 8);
            }
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
            return keys.lo(key);
        }

        @Override
        public long lsn() {
            return Bytes.i64(chunk, p);
        }

        @Override
        public byte[] bytes() {
            return chunk;
        }

        @Override
        public int offset() {
            return p + ENTRY_HEADER;
        }

        @Override
        public int length() {
            return Bytes.i32(chunk, p + 16);
        }
    }
}
