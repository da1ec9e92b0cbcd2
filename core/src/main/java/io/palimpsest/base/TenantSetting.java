package io.palimpsest.base;

import java.util.Arrays;

/**
 * A key of {@link TenantConfig}: under {@code tenant_config} of the server's configuration for all
 * tenants, and in the management API for one. Names are the field's (docs/configuration.md).
 */
public enum TenantSetting {
    PITR_INTERVAL("pitr_interval", Unit.NANOS, 0, 36_500),
    GC_HORIZON("gc_horizon", Unit.NUMBER, 0, 1L << 60),
    GC_PERIOD("gc_period", Unit.NANOS, 0, 30),
    COMPACTION_PERIOD("compaction_period", Unit.NANOS, 0, 30),
    COMPACTION_THRESHOLD("compaction_threshold", Unit.NUMBER, 1, 1 << 16),
    COMPACTION_UPPER_LIMIT("compaction_upper_limit", Unit.NUMBER, 1, 1 << 16),
    COMPACTION_TARGET_SIZE("compaction_target_size", Unit.NUMBER, 1 << 16, 1L << 36),
    IMAGE_CREATION_THRESHOLD("image_creation_threshold", Unit.NUMBER, 1, 1 << 16),
    LSN_LEASE_LENGTH("lsn_lease_length", Unit.NANOS, 1_000_000, 30);

    /** What a value counts. */
    public enum Unit {
        /** A duration. */
        NANOS,
        /** Bytes, or things. */
        NUMBER
    }

    private static final long DAY = 86_400_000_000_000L;

    private final String key;
    private final Unit unit;
    private final long least;
    private final long most;

    /**
     * @param most of a duration in days, for people have to read it
     */
    TenantSetting(String key, Unit unit, long least, long most) {
        this.key = key;
        this.unit = unit;
        this.least = least;
        this.most = unit == Unit.NANOS ? most * 86_400_000_000_000L : most;
    }

    public String key() {
        return key;
    }

    public Unit unit() {
        return unit;
    }

    public long least() {
        return least;
    }

    public long most() {
        return most;
    }

    /** What a configuration has it be. */
    public long of(TenantConfig config) {
        return switch (this) {
            case PITR_INTERVAL -> config.pitrIntervalNanos();
            case GC_HORIZON -> config.gcHorizonBytes();
            case GC_PERIOD -> config.gcPeriodNanos();
            case COMPACTION_PERIOD -> config.compactionPeriodNanos();
            case COMPACTION_THRESHOLD -> config.compactionThreshold();
            case COMPACTION_UPPER_LIMIT -> config.compactionUpperLimit();
            case COMPACTION_TARGET_SIZE -> config.compactionTargetBytes();
            case IMAGE_CREATION_THRESHOLD -> config.imageCreationThreshold();
            case LSN_LEASE_LENGTH -> config.leaseNanos();
        };
    }

    /** BAD_REQUEST, saying what there is, if there is none of that name. */
    public static TenantSetting named(String key) {
        for (TenantSetting setting : values()) {
            if (setting.key.equals(key)) {
                return setting;
            }
        }
        throw PageserverException.badRequest(
                "'%s' is nothing that a tenant can have of its own; there are %s",
                key, String.join(", ", Arrays.stream(values()).map(TenantSetting::key).toList()));
    }

    /** BAD_REQUEST if a value is out of range. */
    void check(long value) {
        if (value < least || value > most) {
            throw unit == Unit.NANOS
                    ? PageserverException.badRequest(
                            "%s is %d ns, expected %d ns to %d days", key, value, least, most / DAY)
                    : PageserverException.badRequest(
                            "%s is %d, expected %d to %d", key, value, least, most);
        }
    }
}
