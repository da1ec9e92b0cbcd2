package io.palimpsest.base;

/**
 * How a server finds out whether its tenants are still its own. Without an object store nobody else
 * can have them.
 *
 * @param checkPeriodNanos how often the store is asked; a server that puts something there finds
 *     out at once
 * @param takeOver somebody answers for no other server having them, also where the store cannot say
 *     so
 */
public record OwnershipConfig(long checkPeriodNanos, boolean takeOver) {
    public static final OwnershipConfig DEFAULT = new OwnershipConfig(60_000_000_000L, false);

    public OwnershipConfig {
        Check.that(checkPeriodNanos > 0, "checkPeriodNanos %d", checkPeriodNanos);
    }
}
