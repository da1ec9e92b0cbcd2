package io.palimpsest.server.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.Environment;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.server.disk.NioDisk;
import io.palimpsest.server.net.StubSource;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SocketNet;
import io.palimpsest.server.runtime.SystemClock;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.server.store.LocalStore;
import io.palimpsest.service.PageSource;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.PageBatch;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MetricsTest {
    private static final Pattern LINE =
            Pattern.compile(
                    "# (HELP|TYPE) [a-z0-9_]+ .+|[a-z0-9_]+(\\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*})? [-+0-9.E]+");
    private static final Pattern DOCUMENTED =
            Pattern.compile("^\\| `([a-z0-9_]+)`", Pattern.MULTILINE);
    private static final RelTag TABLE = new RelTag(RelTag.DEFAULT_TABLESPACE, 5, 16384, 0);

    @TempDir private Path directory;
    private final PageMetrics pages = new PageMetrics();
    private StoreMetrics store;
    private Tenants tenants;
    private Metrics metrics;

    @BeforeEach
    void start() throws IOException {
        Files.createDirectory(directory.resolve("work"));
        LogTracer tracer = new LogTracer("test");
        tenants =
                Tenants.load(
                        new Environment(
                                new SystemClock(),
                                new SystemTasks(2, tracer, (task, failure) -> {}),
                                new NioDisk(directory.resolve("work")),
                                new SocketNet(),
                                new SecureIds(),
                                tracer),
                        Limits.DEFAULT,
                        TenantConfig.DEFAULT);
        store = new StoreMetrics(new LocalStore(directory.resolve("store")));
        metrics =
                new Metrics("1.2.3", tenants, pages, store, () -> new Metrics.Connections(1, 5, 2));
    }

    @AfterEach
    void stop() {
        tenants.close();
    }

    private void has(String line) {
        String text = metrics.text();
        assertTrue(text.contains("\n" + line + "\n"), line + " in\n" + text);
    }

    /** A page that is not there is corrupt; block 13 is. */
    private static final class Source extends StubSource {
        @Override
        public void readPage(RelTag tag, int block, long lsn, byte[] into, int at) {
            if (block == 13) {
                throw PageserverException.corruption("block %d", block);
            }
        }

        @Override
        public boolean tryReadPage(
                RelTag tag, int block, long requestLsn, long since, byte[] into, int at) {
            return block == 6;
        }
    }

    @Test
    void isTextThatPrometheusReads() {
        for (String line : metrics.text().lines().toList()) {
            assertTrue(LINE.matcher(line).matches(), line);
        }
        has("palimpsest_connections 1");
        has("palimpsest_connections_accepted_total 5");
        has("palimpsest_connections_refused_total 2");
        has("pageserver_tenant_states_count{state=\"Active\"} 0");
        assertTrue(metrics.text().contains("palimpsest_build_info{version=\"1.2.3\",java=\"25"));
    }

    @Test
    void countsWhatClientsAsk() {
        PageSource source =
                pages.measured((tenant, timeline) -> new Source())
                        .find(new TenantId(1, 2), new TimelineId(3, 4));
        byte[] page = new byte[8192];
        source.readPage(TABLE, 1, 100, page, 0);
        source.readPage(TABLE, 2, 100, page, 0);
        assertThrows(PageserverException.class, () -> source.readPage(TABLE, 13, 100, page, 0));
        PageBatch batch = new PageBatch(4);
        batch.add(TABLE, 3, 100, 0);
        batch.add(TABLE, 4, 100, 0);
        batch.add(TABLE, 5, 100, 0);
        source.readPages(batch, page);
        assertTrue(source.tryReadPage(TABLE, 6, 100, 90, page, 0));
        assertFalse(
                source.tryReadPage(TABLE, 7, 100, 90, page, 0),
                "asked for again, and counted then");
        source.effectiveLsn(100, 90);
        source.effectiveLsn(200, 200);

        String query = "pageserver_smgr_query_seconds_global_count{smgr_query_type=";
        has(query + "\"get_page_at_lsn\"} 6");
        has(query + "\"get_rel_size\"} 0");
        has("palimpsest_page_batch_seconds_count 1");
        has("palimpsest_page_batch_pages_total 3");
        has("palimpsest_page_request_failures_total 1");
        has("pageserver_wait_lsn_seconds_count 1");
        assertTrue(
                metrics.text()
                        .contains(
                                "pageserver_smgr_query_seconds_global_bucket{smgr_query_type=\"get_page_at_lsn\",le=\"+Inf\"} 6"));
    }

    @Test
    void countsWhatTheStoreIsAsked() {
        assertTrue(!store.answered());
        byte[] some = "twelve bytes".getBytes(StandardCharsets.UTF_8);
        store.put("a/b", ObjectStore.Content.of(some), ObjectStore.Condition.ABSENT);
        assertTrue(store.answered());
        store.get("a/b", (bytes, offset, length) -> {});
        store.get("a/b", 3, new byte[4], 0, 4);
        PageserverException absent =
                assertThrows(PageserverException.class, () -> store.head("a/c"));
        assertEquals(ErrorCode.NOT_FOUND, absent.code());
        has("palimpsest_store_request_duration_seconds_count{op=\"put\"} 1");
        has("palimpsest_store_request_duration_seconds_count{op=\"get_range\"} 1");
        has("palimpsest_store_request_failures_total{op=\"head\",result=\"not_found\"} 1");
        has("palimpsest_store_sent_bytes_total 12");
        has("palimpsest_store_received_bytes_total 16");
    }

    /** The page of the documentation names all of them and no other. */
    @Test
    void allAreDocumented() throws Exception {
        Set<String> documented = new TreeSet<>();
        Matcher name = DOCUMENTED.matcher(Files.readString(Path.of("../docs/metrics.md")));
        while (name.find()) {
            documented.add(name.group(1));
        }
        assertEquals(documented, new TreeSet<>(metrics.families()));
    }
}
