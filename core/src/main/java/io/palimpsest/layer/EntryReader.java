package io.palimpsest.layer;

import static io.palimpsest.layer.LayerFormat.wrong;

import io.palimpsest.base.Key;

/** Steps through entries of a decoded data block; a flyweight. */
final class EntryReader {
    private String file = "";
    private long position;
    private byte[] b = new byte[0];
    private int p;
    private int end;
    private long base;
    private final byte[] key = new byte[Key.BYTES];
    private boolean first;

    long hi;
    long mid;
    long lo;
    long lsn;
    int at;
    int length;

    /**
     * Goes to the start of group {@code i}, to read through group {@code last}'s end (exclusive).
     *
     * @param blockPosition of the block, for errors
     */
    void open(String inFile, long blockPosition, byte[] payload, int i, int last, long baseLsn) {
        file = inFile;
        position = blockPosition;
        b = payload;
        p = LayerFormat.group(payload, i);
        end = LayerFormat.group(payload, last);
        base = baseLsn;
        first = true;
    }

    boolean next() {
        if (p == end) {
            return false;
        }
        try {
            int shared = b[p++];
            if (shared == LayerFormat.SAME_KEY && !first) {
                lsn += varint();
            } else {
                if (shared < 0 || shared >= Key.BYTES || first && shared != 0) {
                    throw wrong(file, position, "shared key bytes at " + (p - 1), 0, shared);
                }
                System.arraycopy(b, p, key, shared, Key.BYTES - shared);
                p += Key.BYTES - shared;
                hi = Key.readHi(key, 0);
                mid = Key.readMid(key, 0);
                lo = Key.readLo(key, 0);
                lsn = base + varint();
                first = false;
            }
            long n = varint();
            if (n < 1 || n > end - p) {
                throw wrong(file, position, "length of the value at " + p, end - p, n);
            }
            at = p;
            length = (int) n;
            p += length;
            return true;
        } catch (IndexOutOfBoundsException e) {
            throw wrong(file, position, "entry at " + p, "one within the block", "its end");
        }
    }

    private long varint() {
        long value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            byte x = b[p++];
            value |= (x & 0x7FL) << shift;
            if (x >= 0) {
                return value;
            }
        }
        throw wrong(file, position, "bytes of a varint before " + p, 10, 11);
    }
}
