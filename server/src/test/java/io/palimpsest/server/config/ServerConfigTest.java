package io.palimpsest.server.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.OwnershipConfig;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.fixtures.KeyFiles;
import io.palimpsest.server.auth.Doors;
import io.palimpsest.server.runtime.LogLines;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.tomlj.Toml;

class ServerConfigTest {
    private static String refusal(String file) {
        return String.valueOf(
                assertThrows(
                                PageserverException.class,
                                () -> ServerConfig.read("pageserver.toml", file, List.of()))
                        .getMessage());
    }

    @Test
    void laterFragmentsWin() {
        ServerConfig config =
                ServerConfig.read(
                        "pageserver.toml",
                        "wait_lsn_timeout = '3 s'\n[tenant_config]\ncheckpoint_timeout = '1 m'",
                        List.of("wait_lsn_timeout='4 s'", "wait_lsn_timeout='5 s'"));
        assertEquals(5_000_000_000L, config.limits().waitLsnNanos());
        assertEquals(60_000_000_000L, config.limits().flushAgeNanos());
    }

    @Test
    void aTenantsPolicyHasItsKeys() {
        ServerConfig config =
                ServerConfig.read(
                        "pageserver.toml",
                        """
                        max_file_descriptors = 77
                        max_get_vectored_keys = 7
                        [tenant_config]
                        pitr_interval = '14 days'
                        gc_horizon = 1000
                        gc_period = '0 s'
                        compaction_period = '5 s'
                        compaction_threshold = 3
                        compaction_upper_limit = 4
                        compaction_target_size = 1000000
                        image_creation_threshold = 2
                        lsn_lease_length = '20 m'
                        """,
                        List.of());
        long second = 1_000_000_000L;
        assertEquals(
                new TenantConfig(
                        14 * 86_400 * second,
                        1000,
                        0,
                        5 * second,
                        3,
                        4,
                        1_000_000,
                        2,
                        1200 * second),
                config.tenants());
        assertEquals(77, config.limits().openLayerFiles());
        assertEquals(7, config.limits().batchPages());
        assertEquals(
                TenantConfig.DEFAULT,
                ServerConfig.read("pageserver.toml", "", List.of()).tenants());
        assertEquals(
                0,
                ServerConfig.read(
                                "pageserver.toml", "", List.of("tenant_config.pitr_interval = '0'"))
                        .tenants()
                        .pitrIntervalNanos());
        assertTrue(
                refusal("tenant_config.compaction_upper_limit = 9")
                        .contains("less than tenant_config.compaction_threshold"));
    }

    @Test
    void whatLeavesTheDisk() {
        long second = 1_000_000_000L;
        assertEquals(
                EvictionConfig.DEFAULT,
                ServerConfig.read("pageserver.toml", "", List.of()).eviction());
        assertEquals(
                new EvictionConfig(
                        7200 * second, 30 * second, false, 90, 12_345, 5 * second, 1 << 20),
                ServerConfig.read(
                                "pageserver.toml",
                                """
                                [disk_usage_based_eviction]
                                enabled = false
                                max_usage_pct = 90
                                min_avail_bytes = 12345
                                period = '5s'
                                [tenant_config]
                                min_resident_size_override = 1048576
                                eviction_policy = {kind = 'LayerAccessThreshold', period = '30 s', threshold = '2 h'}
                                """,
                                List.of())
                        .eviction());
    }

    @Test
    void saysHowOftenTheStoreIsAskedWhoOwnsATenant() {
        assertEquals(
                OwnershipConfig.DEFAULT,
                ServerConfig.read("pageserver.toml", "", List.of()).ownership());
        assertEquals(
                new OwnershipConfig(5_000_000_000L, true),
                ServerConfig.read(
                                "pageserver.toml",
                                "",
                                List.of("generation_check_period = '5 s'", "take_over=true"))
                        .ownership());
    }

    @Test
    void saysHowMuchWalMayNotBeInTheStore() {
        String distance = "tenant_config.checkpoint_distance = 1000000";
        assertEquals(
                2_000_000,
                ServerConfig.read("pageserver.toml", "", List.of(distance)).maxUploadLag());
        assertEquals(
                0,
                ServerConfig.read("pageserver.toml", "", List.of("max_upload_lag = 0"))
                        .maxUploadLag());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "max_upload_lag = 1000000",
                "wait_lsn_timeout = '999999999 h'",
                "wait_lsn_timeout = '0 s'",
                "wait_lsn_timeout = '-1 s'",
                "wait_lsn_timeout = 5",
                "wait_lsn_timeout = '10 parsecs'",
                "page_cache_size = -1",
                "page_cache_size = 4294967296",
                "page_cache_size = 9223372036854775807",
                "page_cache_size = 1.5",
                "ingest_batch_size = 0",
                "listen_pg_addr = '127.0.0.1'",
                "listen_pg_addr = '127.0.0.1:99999'",
                "listen_pg_addr = ':64000'",
                "listen_pg_addr = '127.0.0.1:9898'",
                "listen_http_addr = 9898",
                "tenant_config.checkpoint_distance = 1",
                "tenant_config.checkpoint_distance = 68719476736",
                "tenant_config.checkpoint_timeout = '0 ms'",
                "tenant_config.pitr_interval = '40000 d'",
                "tenant_config.gc_period = '31 d'",
                "tenant_config.lsn_lease_length = '0 s'",
                "tenant_config.compaction_threshold = 0",
                "tenant_config.gc_horizon = -1",
                "max_file_descriptors = 0",
                "disk_usage_based_eviction = {max_usage_pct = 101}",
                "disk_usage_based_eviction = {min_avail_bytes = -1}",
                "disk_usage_based_eviction = {period = '0 s'}",
                "disk_usage_based_eviction = {enabled = 'yes'}",
                "tenant_config.eviction_policy = {kind = 'Whatever'}",
                "tenant_config.eviction_policy = {kind = 'NoEviction', period = '1 m'}",
                "tenant_config.eviction_policy = {threshold = '1 m'}",
                "tenant_config.min_resident_size_override = -1",
                "max_get_vectored_keys = 1025",
                "generation_check_period = '0 s'",
                "take_over = 'yes'",
                "tenant_config = 3",
                "wait_lsn_timeout",
                "\u0000"
            })
    void absurdValuesAreRefused(String line) {
        assertTrue(refusal(line).startsWith("the configuration is not usable:\n"));
    }

    @Test
    void allThatIsWrongIsToldAtOnceWithItsLine() {
        String said =
                refusal("page_cache_size = -1\n\nwait_lsn_timout = '1 s'\ningest_batch_size = 0");
        assertTrue(said.contains("line 1: page_cache_size"), said);
        assertTrue(
                said.contains(
                        "line 3: unknown key 'wait_lsn_timout'; did you mean 'wait_lsn_timeout'?"),
                said);
        assertTrue(said.contains("line 4: ingest_batch_size"), said);
    }

    @Test
    void whoComesInIsConfigured(@TempDir Path workdir) throws IOException {
        DoorConfig open = ServerConfig.read("pageserver.toml", "", List.of()).doors();
        assertEquals(Doors.OPEN, open.doors(workdir));
        DoorConfig asks =
                ServerConfig.read(
                                "pageserver.toml",
                                "http_auth_type = 'NeonJWT'",
                                List.of("pg_auth_type = 'Trust'"))
                        .doors();
        String message =
                String.valueOf(
                        assertThrows(PageserverException.class, () -> asks.doors(workdir))
                                .getMessage());
        assertTrue(message.contains("auth_public_key.pem"), message);
        new KeyFiles().publicKey(workdir.resolve("auth_public_key.pem"));
        Doors doors = asks.doors(workdir);
        assertFalse(doors.ofPages().asksForToken());
        assertTrue(doors.ofManagement().asksForToken());
        Path elsewhere = new KeyFiles().publicKey(workdir.resolve("other.pem"));
        Doors both =
                new DoorConfig(true, true, elsewhere, asks.encryption())
                        .doors(workdir.resolve("not there"));
        assertTrue(both.ofPages().asksForToken());
        assertTrue(refusal("pg_auth_type = 'Password'").contains("expected 'Trust' or 'NeonJWT'"));
    }

    @Test
    void howClientsAreTreated() {
        ServerConfig.Clients usual = ServerConfig.read("pageserver.toml", "", List.of()).clients();
        assertEquals(new ServerConfig.Clients(4096, 600_000_000_000L, 10_000_000_000L), usual);
        String file =
                "page_service_max_connections = 7\npage_service_idle_timeout = '30 s'\ndrain_timeout = '0 s'\n";
        assertEquals(
                new ServerConfig.Clients(7, 30_000_000_000L, 0),
                ServerConfig.read("pageserver.toml", file, List.of()).clients());
        assertTrue(refusal("page_service_max_connections = 0").contains("whole number from 1"));
    }

    @Test
    void theLogIsWrittenAsAskedFor() {
        assertNull(ServerConfig.read("pageserver.toml", "", List.of()).logFormat());
        assertNull(
                ServerConfig.read("pageserver.toml", "log_format='auto'", List.of()).logFormat());
        assertEquals(
                LogLines.Format.JSON,
                ServerConfig.read("pageserver.toml", "log_format='json'", List.of()).logFormat());
        assertEquals(
                LogLines.Format.LOGFMT,
                ServerConfig.read("pageserver.toml", "log_format='plain'", List.of()).logFormat());
        assertTrue(refusal("log_format='xml'").contains("expected 'auto', 'plain' or 'json'"));
    }

    @Test
    void anAddressThatOthersReachNeedsTokens() {
        String open = "listen_pg_addr = '0.0.0.0:1'\nlisten_http_addr = '10.1.2.3:2'\n";
        String refusal = refusal(open);
        assertTrue(refusal.contains("listen_pg_addr is 0.0.0.0:1"), refusal);
        assertTrue(refusal.contains("listen_http_addr is 10.1.2.3:2"), refusal);
        assertTrue(refusal(open + "pg_auth_type = 'NeonJWT'\n").contains("listen_http_addr"));
        ServerConfig.read(
                "pageserver.toml",
                open + "pg_auth_type = 'NeonJWT'\nhttp_auth_type = 'NeonJWT'\n",
                List.of());
        ServerConfig.read(
                "pageserver.toml", open + "allow_public_without_auth = true\n", List.of());
        assertTrue(
                refusal("listen_https_addr = 'db.example:7'").contains("listen_https_addr is db"));
        ServerConfig.read("pageserver.toml", "listen_http_addr = '[::1]:7'", List.of());
        ServerConfig.read("pageserver.toml", "listen_http_addr = 'localhost:7'", List.of());
    }

    /** The example that is installed names every key, with a value that is good. */
    @Test
    void theExampleNamesAllKeys() {
        String example = EffectiveConfig.example();
        assertEquals(
                ServerConfig.read("example", "", List.of()),
                ServerConfig.read("example", example, List.of()),
                "as it is, it changes nothing");
        String all =
                example.lines()
                        .map(line -> line.matches("#[a-z].*") ? line.substring(1) : line)
                        .filter(line -> !line.startsWith("remote_storage"))
                        .collect(Collectors.joining("\n"));
        ServerConfig.read("example", all, List.of());
        Set<String> named = new TreeSet<>(Toml.parse(all).dottedKeySet());
        // A policy by age takes two keys more.
        named.add("tenant_config.eviction_policy.threshold");
        named.add("tenant_config.eviction_policy.period");
        assertEquals(new TreeSet<>(ServerConfig.keys()), named);
    }
}
