package io.palimpsest.server.config;

import io.palimpsest.base.EvictionConfig;
import java.util.List;
import java.util.function.BiConsumer;

/** The keys that say what leaves the disk, with their defaults. */
final class Eviction {
    private static final EvictionConfig DEFAULT = EvictionConfig.DEFAULT;

    private boolean byAge;
    private boolean ageGiven;
    private long idle = 24 * 3_600_000_000_000L;
    private long idlePeriod = DEFAULT.idlePeriodNanos();
    private boolean pressure = DEFAULT.pressure();
    private long maxUsage = DEFAULT.maxUsagePercent();
    private long minAvailable = DEFAULT.minAvailableBytes();
    private long pressurePeriod = DEFAULT.pressurePeriodNanos();
    private long minResident = DEFAULT.minResidentBytes();

    /**
     * Tells of each key how its value is taken.
     *
     * @param keys takes the key and what takes the value
     */
    static void keys(BiConsumer<String, BiConsumer<Eviction, Object>> keys) {
        String disk = "disk_usage_based_eviction.";
        keys.accept(disk + "enabled", (e, v) -> e.pressure = ServerConfig.yes(v));
        keys.accept(disk + "max_usage_pct", (e, v) -> e.maxUsage = ServerConfig.number(v, 1, 100));
        keys.accept(
                disk + "min_avail_bytes",
                (e, v) -> e.minAvailable = ServerConfig.number(v, 0, 1L << 60));
        keys.accept(disk + "period", (e, v) -> e.pressurePeriod = ServerConfig.duration(v));
        String policy = "tenant_config.eviction_policy.";
        keys.accept(policy + "kind", (e, v) -> e.byAge = kind(v));
        keys.accept(
                policy + "threshold",
                (e, v) -> {
                    e.ageGiven = true;
                    e.idle = ServerConfig.duration(v);
                });
        keys.accept(
                policy + "period",
                (e, v) -> {
                    e.ageGiven = true;
                    e.idlePeriod = ServerConfig.duration(v);
                });
        keys.accept(
                "tenant_config.min_resident_size_override",
                (e, v) -> e.minResident = ServerConfig.number(v, 0, 1L << 60));
    }

    private static boolean kind(Object value) {
        if (value.equals("NoEviction") || value.equals("LayerAccessThreshold")) {
            return value.equals("LayerAccessThreshold");
        }
        throw new IllegalArgumentException(
                "expected 'NoEviction' or 'LayerAccessThreshold', found '" + value + "'");
    }

    /** What no key alone can say. */
    EvictionConfig config(List<String> wrong) {
        if (ageGiven && !byAge) {
            wrong.add(
                    "tenant_config.eviction_policy has a threshold or a period, but its kind is not 'LayerAccessThreshold'");
        }
        return new EvictionConfig(
                byAge ? idle : 0,
                idlePeriod,
                pressure,
                (int) maxUsage,
                minAvailable,
                pressurePeriod,
                minResident);
    }
}
