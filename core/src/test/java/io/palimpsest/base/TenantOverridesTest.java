package io.palimpsest.base;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TenantOverridesTest {
    private static TenantOverrides of(TenantSetting setting, long value) {
        return TenantOverrides.NONE.with(Map.of(setting, value), Set.of());
    }

    /** Each setting changes what it is the name of, and nothing else. */
    @ParameterizedTest
    @EnumSource
    void oneOfItsOwnIsInPlaceOfTheServers(TenantSetting setting) {
        TenantConfig server = TenantConfig.DEFAULT;
        long value = setting.of(server) + 1;
        TenantConfig config = of(setting, value).over(server);
        for (TenantSetting other : TenantSetting.values()) {
            assertEquals(other == setting ? value : other.of(server), other.of(config));
        }
        assertEquals(server, TenantOverrides.NONE.over(server));
    }

    @ParameterizedTest
    @EnumSource
    void whatIsOutOfRangeIsRefused(TenantSetting setting) {
        for (long value : new long[] {setting.least() - 1, setting.most() + 1}) {
            PageserverException e =
                    assertThrows(PageserverException.class, () -> of(setting, value));
            assertEquals(ErrorCode.BAD_REQUEST, e.code());
            assertTrue(String.valueOf(e.getMessage()).startsWith(setting.key()), e.getMessage());
        }
        assertEquals(setting.least(), of(setting, setting.least()).values().get(setting));
    }

    @Test
    void whatContradictsTheServersIsRefused() {
        TenantOverrides many = of(TenantSetting.COMPACTION_THRESHOLD, 21);
        assertThrows(PageserverException.class, () -> many.over(TenantConfig.DEFAULT));
        TenantOverrides both =
                many.with(Map.of(TenantSetting.COMPACTION_UPPER_LIMIT, 21L), Set.of());
        assertEquals(21, both.over(TenantConfig.DEFAULT).compactionThreshold());
    }

    @Test
    void linesAreReadAsTheyWereWritten() {
        TenantOverrides own =
                of(TenantSetting.LSN_LEASE_LENGTH, 1_000_000)
                        .with(Map.of(TenantSetting.GC_PERIOD, 0L), Set.of());
        assertEquals("config gc_period 0\nconfig lsn_lease_length 1000000\n", own.lines());
        TreeMap<TenantSetting, Long> read = new TreeMap<>();
        own.lines().lines().forEach(line -> TenantOverrides.parse(line, read));
        assertEquals(own, new TenantOverrides(read));
        assertEquals(
                TenantOverrides.NONE,
                own.with(
                        Map.of(), Set.of(TenantSetting.GC_PERIOD, TenantSetting.LSN_LEASE_LENGTH)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "config",
                "config gc_period",
                "config gc_period x",
                "config gc_period 1 2",
                "config nothing 1",
                "setting gc_period 1",
                "config  gc_period 1"
            })
    void otherLinesAreRefused(String line) {
        assertThrows(RuntimeException.class, () -> TenantOverrides.parse(line, new TreeMap<>()));
    }

    @Test
    void nothingIsSaidTwice() {
        TreeMap<TenantSetting, Long> read = new TreeMap<>();
        TenantOverrides.parse("config gc_period 1", read);
        assertThrows(
                IllegalArgumentException.class,
                () -> TenantOverrides.parse("config gc_period 1", read));
    }
}
