package io.palimpsest.base;

/**
 * What a tenant's owner decides about its storage: how long history is kept and how layers are
 * arranged. The names of the configuration keys are the field's (docs/configuration.md).
 *
 * @param pitrIntervalNanos history this far back stays readable; 0: only {@code gcHorizonBytes}
 *     counts
 * @param gcHorizonBytes WAL before the last record that stays readable, where no time says
 * @param gcPeriodNanos how often garbage is looked for; 0: never
 * @param compactionPeriodNanos how often compaction is looked for; 0: never
 * @param compactionThreshold L0 layers that are worth a compaction
 * @param compactionUpperLimit L0 layers compacted at once, at most
 * @param compactionTargetBytes size of the layers that compaction writes, about
 * @param imageCreationThreshold delta layers stacked over a key range that are worth an image of it
 * @param leaseNanos how long a lease of an LSN holds unless it is renewed
 */
public record TenantConfig(
        long pitrIntervalNanos,
        long gcHorizonBytes,
        long gcPeriodNanos,
        long compactionPeriodNanos,
        int compactionThreshold,
        int compactionUpperLimit,
        long compactionTargetBytes,
        int imageCreationThreshold,
        long leaseNanos) {
    private static final long SECOND = 1_000_000_000L;

    public static final TenantConfig DEFAULT =
            new TenantConfig(
                    7 * 86_400 * SECOND,
                    64L << 20,
                    3600 * SECOND,
                    20 * SECOND,
                    10,
                    20,
                    128L << 20,
                    3,
                    600 * SECOND);

    public TenantConfig {
        Check.that(pitrIntervalNanos >= 0, "pitrIntervalNanos %d", pitrIntervalNanos);
        Check.that(gcHorizonBytes >= 0, "gcHorizonBytes %d", gcHorizonBytes);
        Check.that(gcPeriodNanos >= 0, "gcPeriodNanos %d", gcPeriodNanos);
        Check.that(compactionPeriodNanos >= 0, "compactionPeriodNanos %d", compactionPeriodNanos);
        Check.that(compactionThreshold >= 1, "compactionThreshold %d", compactionThreshold);
        Check.that(
                compactionUpperLimit >= compactionThreshold,
                "compactionUpperLimit %d below compactionThreshold %d",
                compactionUpperLimit,
                compactionThreshold);
        Check.that(compactionTargetBytes > 0, "compactionTargetBytes %d", compactionTargetBytes);
        Check.that(
                imageCreationThreshold >= 1, "imageCreationThreshold %d", imageCreationThreshold);
        Check.that(leaseNanos > 0, "leaseNanos %d", leaseNanos);
    }
}
