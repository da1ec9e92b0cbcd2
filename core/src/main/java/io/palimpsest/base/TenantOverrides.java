package io.palimpsest.base;

import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a tenant has of its own, in place of the server's {@link TenantConfig}.
 *
 * @param values in nanoseconds, bytes or things
 */
public record TenantOverrides(SortedMap<TenantSetting, Long> values) {
    public static final TenantOverrides NONE = new TenantOverrides(new TreeMap<>());

    /** BAD_REQUEST if a value is out of range. */
    public TenantOverrides {
        values.forEach(TenantSetting::check);
        values = Collections.unmodifiableSortedMap(new TreeMap<>(values));
    }

    public boolean isEmpty() {
        return values.isEmpty();
    }

    /** With some others, and without some. */
    public TenantOverrides with(Map<TenantSetting, Long> others, Set<TenantSetting> removed) {
        TreeMap<TenantSetting, Long> all = new TreeMap<>(values);
        all.keySet().removeAll(removed);
        all.putAll(others);
        return new TenantOverrides(all);
    }

    /**
     * What holds for the tenant.
     *
     * @throws PageserverException BAD_REQUEST if it contradicts itself
     */
    public TenantConfig over(TenantConfig server) {
        long threshold = value(TenantSetting.COMPACTION_THRESHOLD, server);
        long upperLimit = value(TenantSetting.COMPACTION_UPPER_LIMIT, server);
        if (upperLimit < threshold) {
            throw PageserverException.badRequest(
                    "compaction_upper_limit is %d, less than compaction_threshold, which is %d",
                    upperLimit, threshold);
        }
        return new TenantConfig(
                value(TenantSetting.PITR_INTERVAL, server),
                value(TenantSetting.GC_HORIZON, server),
                value(TenantSetting.GC_PERIOD, server),
                value(TenantSetting.COMPACTION_PERIOD, server),
                (int) threshold,
                (int) upperLimit,
                value(TenantSetting.COMPACTION_TARGET_SIZE, server),
                (int) value(TenantSetting.IMAGE_CREATION_THRESHOLD, server),
                value(TenantSetting.LSN_LEASE_LENGTH, server));
    }

    private long value(TenantSetting setting, TenantConfig server) {
        Long own = values.get(setting);
        return own == null ? setting.of(server) : own;
    }

    /** A line for each, {@code config KEY VALUE}, in the order of the settings. */
    public String lines() {
        StringBuilder s = new StringBuilder();
        values.forEach((setting, value) ->
                s.append("config ").append(setting.key()).append(' ').append(value).append('\n'));
        return s.toString();
    }

    /**
     * One line of {@link #lines}, taken into {@code values}; IllegalArgumentException if it is
     * none.
     */
    public static void parse(String line, SortedMap<TenantSetting, Long> values) {
        String[] words = line.split(" ", -1);
        if (words.length != 3 || !words[0].equals("config")) {
            throw new IllegalArgumentException("expected 'config KEY VALUE', found '" + line + "'");
        }
        if (values.put(TenantSetting.named(words[1]), Long.parseLong(words[2])) != null) {
            throw new IllegalArgumentException("twice: '" + line + "'");
        }
    }
}
