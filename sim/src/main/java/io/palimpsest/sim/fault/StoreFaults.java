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

    /** Whatever a sound store and the network before it may do; nothing stored is damaged. */
    public static StoreFaults rough(Prng random) {
        return new StoreFaults(
                rate(random, 20),
                rate(random, 20),
                rate(random, 20),
                random.nextLong(600 * SECOND),
                rate(random, 5),
                random.nextLong(60 * SECOND),
                0,
                rate(random, 50),
                rate(random, 50),
                rate(random, 50),
                1 + random.nextLong(200_000_000));
    }

    private static int rate(Prng random, int least) {
        return random.nextBoolean() ? least + random.nextInt(10 * least) : 0;
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
