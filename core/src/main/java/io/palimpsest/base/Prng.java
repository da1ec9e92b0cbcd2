package io.palimpsest.base;

/**
 * The only randomness there is: SplitMix64 (Steele, Lea, Flood 2014), seeded, the same on every
 * machine. Streams split off by {@link #split} do not disturb each other.
 */
public final class Prng {
    private long state;

    public Prng(long seed) {
        state = seed;
    }

    public long nextLong() {
        long z = state += 0x9E3779B97F4A7C15L;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }

    /** Uniform in 0 .. bound-1. */
    public int nextInt(int bound) {
        Check.that(bound > 0, "bound %d", bound);
        return (int) ((nextLong() >>> 32) * bound >>> 32);
    }

    /** Uniform in 0 .. bound-1. */
    public long nextLong(long bound) {
        Check.that(bound > 0, "bound %d", bound);
        return Long.remainderUnsigned(nextLong(), bound);
    }

    public boolean nextBoolean() {
        return nextLong() < 0;
    }

    /** True once in {@code n} calls on average. */
    public boolean oneIn(int n) {
        return nextInt(n) == 0;
    }

    public double nextDouble() {
        return (nextLong() >>> 11) * 0x1.0p-53;
    }

    public void nextBytes(byte[] b, int at, int length) {
        for (int i = 0; i < length; i++) {
            b[at + i] = (byte) nextLong();
        }
    }

    /** An independent stream; {@code concern} keeps streams of one seed apart. */
    public Prng split(String concern) {
        long h = state;
        for (int i = 0; i < concern.length(); i++) {
            h = (h ^ concern.charAt(i)) * 0x100000001B3L;
        }
        return new Prng(new Prng(h).nextLong());
    }
}
