package io.palimpsest.server.config;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantSetting;

/** Values of {@link TenantSetting}s as people write and read them. */
public final class TenantValues {
    private static final String[] UNITS = {"d", "h", "m", "s", "ms"};
    private static final long[] NANOS = {
        86_400_000_000_000L, 3_600_000_000_000L, 60_000_000_000L, 1_000_000_000L, 1_000_000L
    };

    private TenantValues() {}

    /**
     * In nanoseconds, bytes or things.
     *
     * @param value a string or a {@link Long}
     * @throws IllegalArgumentException saying what was expected
     */
    public static long parse(TenantSetting setting, Object value) {
        return switch (setting.unit()) {
            case NANOS ->
                    setting.least() == 0
                            ? ServerConfig.durationOrZero(value, setting.most())
                            : ServerConfig.duration(value, setting.most());
            case NUMBER -> ServerConfig.number(value, setting.least(), setting.most());
        };
    }

    /** How long that is; 0 is fine. BAD_REQUEST, naming the key, if it is no duration. */
    public static long nanos(String key, String text) {
        try {
            return ServerConfig.durationOrZero(text, Long.MAX_VALUE / 2);
        } catch (IllegalArgumentException e) {
            throw new PageserverException(ErrorCode.BAD_REQUEST, key + ": " + e.getMessage(), e);
        }
    }

    /** A duration, which {@link #parse} takes: in the largest unit that it is a whole number of. */
    public static String duration(long nanos) {
        for (int i = 0; i < UNITS.length; i++) {
            if (nanos % NANOS[i] == 0 && nanos != 0) {
                return nanos / NANOS[i] + " " + UNITS[i];
            }
        }
        return nanos == 0 ? "0 s" : nanos / NANOS[NANOS.length - 1] + " ms";
    }
}
