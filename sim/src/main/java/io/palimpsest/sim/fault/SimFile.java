package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.Prng;
import java.util.Arrays;
import java.util.TreeMap;

/** A file without its names: the bytes a running process sees, and how many of them are durable. */
final class SimFile {
    private byte[] bytes = new byte[256];
    private int size;
    private int durable;

    /** It is being written. */
    boolean unfinished = true;

    /** A sync failed: what was not durable then never will be. */
    boolean broken;

    /** The disk took bytes that it had no room for: a sync will say so. */
    boolean overdrawn;

    /** How many names a running process sees for it. */
    int names;

    /** Bits that come out flipped, by position. */
    private final TreeMap<Integer, Integer> rot = new TreeMap<>();

    int size() {
        return size;
    }

    void append(byte[] source, int offset, int length) {
        Check.that(size + (long) length < 1 << 30, "file of %d bytes", size + (long) length);
        if (bytes.length - size < length) {
            bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, size + length));
        }
        System.arraycopy(source, offset, bytes, size, length);
        size += length;
    }

    void makeDurable(int length) {
        durable = Math.max(durable, length);
    }

    void read(int position, byte[] into, int offset, int length, boolean withRot) {
        System.arraycopy(bytes, position, into, offset, length);
        if (withRot && !rot.isEmpty()) {
            rot.subMap(position, position + length)
                    .forEach((at, mask) -> into[offset + at - position] ^= (byte) (int) mask);
        }
    }

    void rot(int position, int mask) {
        rot.merge(position, mask, (a, b) -> a | b);
    }

    /** Leaves what the disk has: all that is durable, and of the rest what chance has it. */
    void powerLost(Prng random, boolean torn, int sector) {
        switch (random.nextInt(torn ? 6 : 2)) {
            case 0 -> size = durable;
            case 1 -> {}
            case 2 -> size = durable + random.nextInt(size - durable + 1);
            case 3 -> lose(random, sector, false);
            case 4 -> lose(random, sector, true);
            default -> {
                size = durable + random.nextInt(size - durable + 1);
                lose(random, sector, random.nextBoolean());
            }
        }
        kept();
    }

    /** All of it is left. */
    void kept() {
        durable = size;
        unfinished = false;
        broken = false;
        overdrawn = false;
    }

    private void lose(Prng random, int sector, boolean garbage) {
        int at = durable;
        while (at < size) {
            int end = Math.min(size, (at / sector + 1) * sector);
            if (random.nextBoolean()) {
                if (garbage) {
                    random.nextBytes(bytes, at, end - at);
                } else {
                    Arrays.fill(bytes, at, end, (byte) 0);
                }
            }
            at = end;
        }
    }
}
