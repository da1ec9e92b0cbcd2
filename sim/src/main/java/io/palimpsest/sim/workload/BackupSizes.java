package io.palimpsest.sim.workload;

import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.HeatmapConfig;
import io.palimpsest.base.Limits;
import io.palimpsest.base.OwnershipConfig;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.remote.RemoteLimits;

/** How the page servers of one run are configured: hostile sizes, and periods of a moment. */
record BackupSizes(
        Limits limits,
        TenantConfig tenant,
        RemoteLimits remote,
        EvictionConfig eviction,
        OwnershipConfig ownership,
        HeatmapConfig heatmap) {
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1000 * MILLIS;

    static BackupSizes of(Prng random) {
        Limits limits =
                new Limits(
                        8192L << random.nextInt(5),
                        1L << 14 + random.nextInt(6),
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
        TenantConfig tenant =
                new TenantConfig(
                        0,
                        1L << 12 + random.nextInt(8),
                        SECOND << random.nextInt(6),
                        100 * MILLIS << random.nextInt(6),
                        1 + random.nextInt(4),
                        8,
                        8192L << random.nextInt(6),
                        1 + random.nextInt(3),
                        10 * SECOND << random.nextInt(7));
        RemoteLimits remote =
                new RemoteLimits(
                        1 + random.nextInt(10),
                        0,
                        1 + random.nextInt(10),
                        10 * MILLIS,
                        100 * MILLIS << random.nextInt(6),
                        64 << random.nextInt(12),
                        random.nextInt(4) == 0
                                ? 0
                                : limits.flushDistance() << 1 + random.nextInt(2));
        EvictionConfig eviction =
                new EvictionConfig(
                        random.nextInt(3) * SECOND,
                        50 * MILLIS << random.nextInt(8),
                        random.nextBoolean(),
                        1 + random.nextInt(100),
                        random.nextBoolean() ? 0 : Long.MAX_VALUE,
                        50 * MILLIS << random.nextInt(8),
                        random.nextInt(3) - 1);
        OwnershipConfig ownership =
                new OwnershipConfig(SECOND + random.nextLong(10 * SECOND), false);
        HeatmapConfig heatmap =
                new HeatmapConfig(
                        SECOND << random.nextInt(6),
                        100 * MILLIS << random.nextInt(8),
                        1 + random.nextInt(4),
                        random.nextInt(3) * (1L << 20),
                        random.nextInt(3) * (64L << 10));
        return new BackupSizes(limits, tenant, remote, eviction, ownership, heatmap);
    }
}
