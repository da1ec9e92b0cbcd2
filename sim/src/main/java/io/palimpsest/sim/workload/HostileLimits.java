package io.palimpsest.sim.workload;

import io.palimpsest.base.Limits;
import io.palimpsest.base.Prng;

/** Limits of a page server so small that all that is rare happens all the time. */
final class HostileLimits {
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1000 * MILLIS;

    private HostileLimits() {}

    static Limits of(Prng random) {
        return new Limits(
                8192L << random.nextInt(8),
                1L << 14 + random.nextInt(8),
                MILLIS << random.nextInt(12),
                1 + random.nextInt(100),
                1 << 10 + random.nextInt(8),
                256 << random.nextInt(8),
                Limits.DEFAULT.recordBytes(),
                10 * SECOND,
                random.nextInt(3) * 65_536L,
                1 << random.nextInt(10),
                1 + random.nextInt(8),
                random.nextInt(6),
                0);
    }
}
