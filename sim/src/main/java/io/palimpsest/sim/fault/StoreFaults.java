package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.Prng;

/**
 * What goes wrong with an object store, and how often. A rate {@code n} is once in n times on
 * average, 0 is never.
 *
 * @param throttles a request is refused because there are too many
 * @param unavailable a request fails, and nothing happened
 * @param lostReplies a put, copy or delete fails, and happened, did not, or does later
 * @param lateNanos how much later, at most
 * @param staleLists a list is one of a while ago
 * @param staleNanos how long ago, at most
 * @param bitRot a get finds a bit flipped, from then on
 * @param truncated a get's answer ends too soon
 * @param swapped a get's answer is another object's: its bytes alone, or all of it
 * @param slow a request takes a hundred times as long
 * @param nanos what a request takes, typically
 */
public record StoreFaults(
        int throttles,
        int unavailable,
        int lostReplies,
        long lateNanos,
        int staleLists,
        long staleNanos,
        int bitRot,
        int truncated,
        int swapped,
        int slow,
        long nanos) {
    private static final long SECOND = 1_000_000_000L;

    public StoreFaults {
        Check.that(
                throttles >= 0 && unavailable >= 0 && lostReplies >= 0 && staleLists >= 0,
                "rates of failures");
        Check.that(bitRot >= 0 && truncated >= 0 && swapped >= 0 && slow >= 0, "rates of damage");
        Check.that(lateNanos >= 0 && staleNanos >= 0 && nanos >= 0, "times of %d", nanos);
    }

    /** Nothing fails. */
    public static StoreFaults quiet() {
        return new StoreFaults(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20_000_000);
    }

    /**
     * How rough it gets: of each kind of fault the highest rate, and a tenth of it the lowest.
     *
     * @param throttles once in so many requests, and so on for the other rates
     * @param always each of them in every seed; else in every other one
     */
    public record Roughness(
            int throttles,
            int unavailable,
            int lostReplies,
            long lateNanos,
            int staleLists,
            long staleNanos,
            boolean always) {
        /** As stores are. */
        public static final Roughness USUAL =
                new Roughness(20, 20, 20, 600 * SECOND, 5, 60 * SECOND, false);

        private int rate(Prng random, int least) {
            boolean strikes = random.nextBoolean() || always;
            return strikes && least > 0 ? least + random.nextInt(10 * least) : 0;
        }
    }

    /** Whatever a sound store and the network before it may do; nothing stored is damaged. */
    public static StoreFaults rough(Prng random) {
        return rough(random, Roughness.USUAL);
    }

    public static StoreFaults rough(Prng random, Roughness how) {
        return new StoreFaults(
                how.rate(random, how.throttles),
                how.rate(random, how.unavailable),
                how.rate(random, how.lostReplies),
                random.nextLong(Math.max(1, how.lateNanos)),
                how.rate(random, how.staleLists),
                random.nextLong(Math.max(1, how.staleNanos)),
                0,
                Roughness.USUAL.rate(random, 50),
                Roughness.USUAL.rate(random, 50),
                Roughness.USUAL.rate(random, 50),
                1 + random.nextLong(200_000_000));
    }

    public StoreFaults withThrottles(int oneIn) {
        return new StoreFaults(
                oneIn,
                unavailable,
                lostReplies,
                lateNanos,
                staleLists,
                staleNanos,
                bitRot,
                truncated,
                swapped,
                slow,
                nanos);
    }

    public StoreFaults withUnavailable(int oneIn) {
        return new StoreFaults(
                throttles,
                oneIn,
                lostReplies,
                lateNanos,
                staleLists,
                staleNanos,
                bitRot,
                truncated,
                swapped,
                slow,
                nanos);
    }

    public StoreFaults withLostReplies(int oneIn, long late) {
        return new StoreFaults(
                throttles,
                unavailable,
                oneIn,
                late,
                staleLists,
                staleNanos,
                bitRot,
                truncated,
                swapped,
                slow,
                nanos);
    }

    public StoreFaults withStaleLists(int oneIn, long stale) {
        return new StoreFaults(
                throttles,
                unavailable,
                lostReplies,
                lateNanos,
                oneIn,
                stale,
                bitRot,
                truncated,
                swapped,
                slow,
                nanos);
    }

    /** Damage of answers, and of what is stored. */
    public StoreFaults withDamage(int rot, int truncatedOneIn, int swappedOneIn) {
        return new StoreFaults(
                throttles,
                unavailable,
                lostReplies,
                lateNanos,
                staleLists,
                staleNanos,
                rot,
                truncatedOneIn,
                swappedOneIn,
                slow,
                nanos);
    }
}
