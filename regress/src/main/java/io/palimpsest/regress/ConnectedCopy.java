package io.palimpsest.regress;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A PostgreSQL that {@code palimpsest connect} has started on a branch, by the command line as a
 * process of its own. Closing it is {@code palimpsest connect stop}.
 */
public final class ConnectedCopy implements AutoCloseable {
    private static final String AMCHECK =
            """
            SELECT c.oid::regclass::text FROM pg_class c JOIN pg_am a ON a.oid = c.relam
              JOIN pg_index i ON i.indexrelid = c.oid
             WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisvalid AND i.indisready\
            """;
    private static final String HEAPS =
            """
            SELECT c.oid::regclass::text FROM pg_class c
             WHERE c.relkind IN ('r', 't', 'm') AND c.relpersistence = 'p'\
            """;

    private final Path home;
    private final JsonNode answer;

    private ConnectedCopy(Path home, JsonNode answer) {
        this.home = home;
        this.answer = answer;
    }

    /**
     * @param home where the copy lies
     * @param bin where the same major version's programs are
     * @param lsn 0 for the latest
     */
    public static ConnectedCopy start(
            ServerProcess server,
            TenantId tenant,
            TimelineId branch,
            long lsn,
            Path home,
            Path bin) {
        String output =
                ask(
                        server,
                        tenant,
                        "connect",
                        branch + (lsn == 0 ? "" : "@" + Lsn.toString(lsn)),
                        "--home",
                        home.toString(),
                        "--bindir",
                        bin.toString(),
                        "--port",
                        Integer.toString(EmbeddedPostgres.freePort()),
                        "--json");
        return new ConnectedCopy(home, json(output));
    }

    /**
     * {@code palimpsest export} of the latest of a branch.
     *
     * @param how {@code --to} or {@code --tar}
     * @return what it prints
     */
    static JsonNode export(
            ServerProcess server, TenantId tenant, TimelineId branch, String how, Path target) {
        return json(
                ask(server, tenant, "export", branch.toString(), how, target.toString(), "--json"));
    }

    /** A command about a branch of that server's. */
    private static String ask(ServerProcess server, TenantId tenant, String... arguments) {
        List<String> all = new ArrayList<>(Arrays.asList(arguments));
        all.addAll(
                List.of(
                        "--tenant",
                        tenant.toString(),
                        "--server",
                        "http://127.0.0.1:" + server.management().getPort(),
                        "--pageservice",
                        "127.0.0.1:" + server.pageService().getPort()));
        return run(all.toArray(String[]::new));
    }

    private static JsonNode json(String output) {
        try {
            return new ObjectMapper().readTree(output);
        } catch (IOException e) {
            throw new IllegalStateException("palimpsest printed: " + output, e);
        }
    }

    /** The first column of the first row, or "". */
    String sql(String text) throws SQLException {
        try (Connection connection = DriverManager.getConnection(jdbcUrl("postgres"));
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(text)) {
            return row.next() ? String.valueOf(row.getString(1)) : "";
        }
    }

    /** Its standard output; a status other than 0 is thrown with its standard error. */
    private static String run(String... arguments) {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:TieredStopAtLevel=1",
                                "--enable-native-access=ALL-UNNAMED",
                                "--sun-misc-unsafe-memory-access=allow",
                                "-cp",
                                System.getProperty("java.class.path"),
                                "io.palimpsest.server.cli.Palimpsest"));
        command.addAll(Arrays.asList(arguments));
        try {
            Path errors = Files.createTempFile("palimpsest-connect", ".err");
            Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
            String output =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            int status = process.waitFor();
            String said = Files.readString(errors);
            Files.delete(errors);
            if (status != 0) {
                throw new IllegalStateException(
                        "palimpsest "
                                + String.join(" ", arguments)
                                + " ended with "
                                + status
                                + ":\n"
                                + said);
            }
            return output;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    String jdbcUrl(String database) {
        return "jdbc:postgresql://127.0.0.1:%d/%s?user=%s&password=%s"
                .formatted(
                        answer.get("port").asInt(),
                        database,
                        answer.get("user").asText(),
                        answer.get("password").asText());
    }

    public double branchSeconds() {
        return answer.get("branch_seconds").asDouble();
    }

    double firstSelectSeconds() {
        return answer.get("first_select_seconds").asDouble();
    }

    long bytes() {
        return answer.get("bytes").asLong();
    }

    /** What amcheck and verify_heapam find wrong, in all databases. */
    List<String> damage() throws SQLException {
        List<String> found = new ArrayList<>();
        for (String database : Catalog.databases(this::jdbcUrl)) {
            try (Connection connection = DriverManager.getConnection(jdbcUrl(database));
                    Statement statement = connection.createStatement()) {
                statement.execute("CREATE EXTENSION IF NOT EXISTS amcheck");
                for (String index : names(statement, AMCHECK)) {
                    try {
                        statement.execute("SELECT bt_index_check('" + quoted(index) + "', true)");
                    } catch (SQLException e) {
                        found.add(database + ": " + index + ": " + e.getMessage());
                    }
                }
                for (String table : names(statement, HEAPS)) {
                    for (String line :
                            names(
                                    statement,
                                    "SELECT blkno || ' ' || offnum || ' ' || msg FROM verify_heapam('"
                                            + quoted(table)
                                            + "')")) {
                        found.add(database + ": " + table + ": " + line);
                    }
                }
            }
        }
        return found;
    }

    private static String quoted(String name) {
        return name.replace("'", "''");
    }

    private static List<String> names(Statement statement, String sql) throws SQLException {
        List<String> names = new ArrayList<>();
        try (ResultSet rows = statement.executeQuery(sql)) {
            while (rows.next()) {
                names.add(rows.getString(1));
            }
        }
        return names;
    }

    /** As the command line lists copies. */
    JsonNode list() throws IOException {
        return new ObjectMapper()
                .readTree(run("connect", "list", "--home", home.toString(), "--json"))
                .get("copies");
    }

    @Override
    public void close() {
        run("connect", "stop", answer.get("name").asText(), "--home", home.toString());
    }
}
