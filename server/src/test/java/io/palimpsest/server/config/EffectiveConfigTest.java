package io.palimpsest.server.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.PageserverException;
import io.palimpsest.server.store.StoreSettings;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class EffectiveConfigTest {
    private static final String FILE =
            "page_cache_size = 7000\n\nwait_lsn_timeout = '7 s'\n[tenant_config]\ngc_period = '1 m'\n";
    private static final Map<String, String> ENVIRONMENT =
            Map.of(
                    "PALIMPSEST_WAIT_LSN_TIMEOUT", "8 s",
                    "PALIMPSEST_TENANT_CONFIG__GC_PERIOD", "'2 m'",
                    "PALIMPSEST_MAX_FILE_DESCRIPTORS", "77",
                    "PALIMPSEST_TAKE_OVER", "true",
                    "PALIMPSEST_REMOTE_STORAGE", "{local_path='/some/path'}",
                    "PALIMPSEST_SERVICE_HOST", "10.1.2.3",
                    "PALIMPSEST_TOKEN", "secret");

    private static List<ConfigText> texts(String... fragments) {
        return ConfigText.of("pageserver.toml", FILE, ENVIRONMENT, List.of(fragments));
    }

    private static EffectiveConfig.Entry entry(String key) {
        return EffectiveConfig.of(texts("tenant_config.gc_period='3 m'")).stream()
                .filter(entry -> entry.key().equals(key))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void theEnvironmentWinsOverTheFileAndArgumentsOverBoth() {
        ServerConfig config = ServerConfig.read(texts("tenant_config.gc_period='3 m'"));
        assertEquals(8_000_000_000L, config.limits().waitLsnNanos());
        assertEquals(180_000_000_000L, config.tenants().gcPeriodNanos());
        assertEquals(77, config.limits().openLayerFiles());
        assertTrue(config.ownership().takeOver());
        assertTrue(config.remoteStorage() instanceof StoreSettings.Local);
    }

    @Test
    void saysWhereEachValueComesFrom() {
        assertEquals(
                new EffectiveConfig.Entry("page_cache_size", "7000", "pageserver.toml line 1"),
                entry("page_cache_size"));
        assertEquals(
                new EffectiveConfig.Entry(
                        "wait_lsn_timeout", "'8 s'", "$PALIMPSEST_WAIT_LSN_TIMEOUT"),
                entry("wait_lsn_timeout"));
        assertEquals(
                new EffectiveConfig.Entry("tenant_config.gc_period", "'3 m'", "-c"),
                entry("tenant_config.gc_period"));
        assertEquals(
                new EffectiveConfig.Entry("ingest_batch_size", "1000", "default"),
                entry("ingest_batch_size"));
        assertEquals("'/some/path'", entry("remote_storage.local_path").value());
        assertNull(entry("wal_redo_processes").value(), "it follows from the machine");
        assertTrue(
                EffectiveConfig.of(texts()).stream()
                        .noneMatch(e -> String.valueOf(e.value()).contains("secret")));
    }

    @Test
    void aWrongVariableIsNamed() {
        String refusal =
                String.valueOf(
                        assertThrows(
                                        PageserverException.class,
                                        () ->
                                                ServerConfig.read(
                                                        ConfigText.of(
                                                                "",
                                                                "",
                                                                Map.of("PALIMPSEST_REDO", "perl"),
                                                                List.of())))
                                .getMessage());
        assertTrue(refusal.contains("$PALIMPSEST_REDO"), refusal);
        assertTrue(refusal.contains("expected 'jvm'"), refusal);
    }

    @Test
    void explainsKeys() {
        assertTrue(
                String.valueOf(EffectiveConfig.meaning("tenant_config.gc_period"))
                        .contains("garbage"));
        assertTrue(
                String.valueOf(EffectiveConfig.meaning("disk_usage_based_eviction.period"))
                        .contains("layers leave the disk"));
        assertNull(EffectiveConfig.meaning("nonsense"));
    }
}
