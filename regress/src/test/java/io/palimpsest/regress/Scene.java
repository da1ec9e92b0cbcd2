package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.RelTag;
import io.palimpsest.regress.PageSource.Answer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * A page server of our own, a PostgreSQL whose table {@code t} it can follow, and what tests of
 * their troubles say and ask all the time.
 */
final class Scene implements AutoCloseable {
    static final int MAJOR = Integer.getInteger("pg", 17);
    static final Duration LIMIT = Duration.ofSeconds(40);

    /** Small, so that WAL is recycled soon and starts are quick. */
    static final Map<String, String> SETTINGS =
            Map.of("min_wal_size", "32MB", "shared_buffers", "16MB", "wal_sender_timeout", "5s");

    final TenantId tenant = TenantId.parse("00112233445566778899aabbccddeeff");
    final Path home;
    final EmbeddedPostgres postgres;
    final ServerProcess server;
    private final ManagementClient management;
    private int timelines;
    private RelTag table = new RelTag(0, 0, 0, 0);

    Scene(String name) throws SQLException {
        this(name, MAJOR, SETTINGS);
    }

    Scene(String name, int major, Map<String, String> settings) throws SQLException {
        home = EmbeddedPostgres.temporaryDirectory("palimpsest-" + name + "-");
        postgres =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(major), home.resolve("postgres"), settings);
        postgres.start();
        sql("CREATE TABLE t (n int, filler text)");
        grow(20);
        table =
                new RelTag(
                        1663,
                        Integer.parseInt(
                                sql("SELECT oid FROM pg_database WHERE datname = 'postgres'")),
                        Integer.parseInt(sql("SELECT pg_relation_filenode('t')")),
                        RelTag.MAIN);
        server = new ServerProcess(home);
        server.start();
        management = new ManagementClient(server.management());
    }

    @Override
    public void close() {
        management.close();
        server.close();
        postgres.close();
        EmbeddedPostgres.deleteDirectory(home);
    }

    /** The first column of the first row, or "". */
    String sql(String text) throws SQLException {
        return sql(postgres, text);
    }

    /** Flushed and arrived is what was written so far; the LSN of that. */
    long arrived(TimelineId id) throws SQLException {
        // A commit of its own, so that nothing stays in the buffers.
        long lsn = grow(1);
        awaitArrival(id, lsn);
        return lsn;
    }

    static String sql(EmbeddedPostgres on, String text) throws SQLException {
        try (Connection connection = DriverManager.getConnection(on.jdbcUrl("postgres"));
                Statement statement = connection.createStatement()) {
            if (!statement.execute(text)) {
                return "";
            }
            try (ResultSet row = statement.getResultSet()) {
                return row.next() ? String.valueOf(row.getString(1)) : "";
            }
        }
    }

    /** Adds rows, 100 to a page or fewer, and answers the LSN after them. */
    long grow(int pages) throws SQLException {
        sql(
                "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, "
                        + pages * 50
                        + ") i");
        return Lsn.parse(sql("SELECT pg_current_wal_insert_lsn()")).value();
    }

    TimelineId newTimeline() {
        return TimelineId.parse(String.format("%032x", 0x1000 + ++timelines));
    }

    static String slot(TimelineId timeline) {
        return "s" + timeline.toString().substring(28);
    }

    TimelineId imported() {
        TimelineId id = newTimeline();
        importFrom(id, postgres.conninfo(), slot(id));
        return id;
    }

    void importFrom(TimelineId id, String conninfo, String slot) {
        management.importFrom(tenant, id, conninfo, slot);
    }

    /** The import must fail; what it says. */
    String importFails(TimelineId id, String conninfo, String slot) {
        return String.valueOf(
                assertThrows(
                                IllegalStateException.class,
                                () -> importFrom(id, conninfo, slot),
                                "the import should have failed")
                        .getMessage());
    }

    TimelineId branch(TimelineId of) {
        TimelineId id = newTimeline();
        management.branch(tenant, id, of, lsn(of, "last_record_lsn"));
        return id;
    }

    JsonNode detail(TimelineId id) {
        return management.timeline(tenant, id);
    }

    long lsn(TimelineId id, String field) {
        return management.lsn(tenant, id, field);
    }

    /** Status and body of a request that may fail. */
    String http(String method, String path) throws IOException, InterruptedException {
        try (HttpClient client = HttpClient.newHttpClient()) {
            HttpResponse<String> response =
                    client.send(
                            HttpRequest.newBuilder(
                                            URI.create(
                                                    "http://127.0.0.1:"
                                                            + server.management().getPort()
                                                            + path))
                                    .method(method, HttpRequest.BodyPublishers.noBody())
                                    .timeout(LIMIT)
                                    .build(),
                            HttpResponse.BodyHandlers.ofString());
            return response.statusCode() + " " + response.body();
        }
    }

    String timelinePath(TimelineId id) {
        return "/v1/tenant/" + tenant + "/timeline/" + id;
    }

    /** Waits until the timeline's receiver says each of the words; its whole status. */
    String awaitStatus(TimelineId id, String... words) {
        String[] last = {""};
        await(
                () -> {
                    last[0] = detail(id).get("walreceiver_status").asText();
                    return List.of(words).stream().allMatch(last[0]::contains);
                },
                () -> "status of " + id + ": " + last[0] + "\nwanted: " + List.of(words));
        return last[0];
    }

    /** The reason is in the log once, as one line. */
    void assertLoggedOnce(String event, TimelineId id) {
        List<String> lines =
                server.log()
                        .lines()
                        .filter(l ->
                                l.contains("\"event\":\"" + event + "\"")
                                        && l.contains("\"timeline\":\"" + id + "\""))
                        .toList();
        assertEquals(1, lines.size(), String.join("\n", lines));
    }

    void awaitArrival(TimelineId id, long lsn) {
        await(
                () -> Long.compareUnsigned(lsn(id, "last_record_lsn"), lsn) >= 0,
                () -> "at " + detail(id) + ", wanted " + Lsn.toString(lsn));
    }

    static void await(BooleanSupplier done, java.util.function.Supplier<String> what) {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (!done.getAsBoolean()) {
            if (System.nanoTime() > end) {
                fail("not within " + LIMIT + ": " + what.get());
            }
            Pause.millis(50);
        }
    }

    PageserverClient client(TimelineId id) {
        return PageserverClient.connect(server.pageService(), tenant, id, 3);
    }

    /** Every page of t as of {@code lsn} is served; how many there are. */
    int readsTable(TimelineId id, long lsn) {
        try (PageserverClient client = client(id)) {
            int blocks = client.blocks(table, lsn);
            for (Answer answer : client.pages(table, 0, blocks, lsn)) {
                if (answer instanceof Answer.Refused(String why)) {
                    fail(why);
                }
            }
            return blocks;
        }
    }

    RelTag table() {
        return table;
    }

    /** What the page service answers when asked for a page of t. */
    String refusal(TimelineId id, long lsn) {
        try (PageserverClient client = client(id)) {
            return client.pages(table, 0, 1, lsn).getFirst() instanceof Answer.Refused(String why)
                    ? why
                    : "";
        }
    }

    Path directory(TimelineId id) {
        return server.workingDirectory().resolve("tenants/" + tenant + "/timelines/" + id);
    }

    /** Points a timeline at another server, as an operator would while the page server is down. */
    void redirect(TimelineId id, EmbeddedPostgres to) throws IOException {
        Files.writeString(
                server.workingDirectory().resolve("tenants/" + tenant + "/sources/" + id),
                to.conninfo() + "\n" + slot(id) + "\n");
    }
}
