package io.palimpsest.server.connect;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.server.disk.NioDisk;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Starts and stops the PostgreSQL of a {@link Copy}. Its configuration sees to it that it never
 * acts as the original: no archiving, no replication either way, no workers of logical replication,
 * no libraries that the original preloads, nobody let in but by the private socket or with a
 * password made for it.
 */
public final class CopyServer {
    private static final long START_NANOS = TimeUnit.SECONDS.toNanos(120);
    private static final long STOP_SECONDS = 120;
    private static final int LONGEST_SOCKET = 107;

    private final Copy copy;
    private final Installation installation;
    private final Account account = Account.choose();

    public CopyServer(Copy copy) {
        this.copy = copy;
        this.installation = new Installation(copy.bin(), copy.major());
    }

    /**
     * Makes the directory of a copy, closed to others.
     *
     * @throws PageserverException CONFLICT if it is there, BAD_REQUEST if its name is too long for
     *     a socket
     */
    public static void prepare(Path directory) throws IOException {
        Path socket = directory.resolve("s").resolve(".s.PGSQL.65535");
        if (socket.toString().length() > LONGEST_SOCKET) {
            throw PageserverException.badRequest(
                    "%s: a socket's name has at most %d characters; choose a shorter --home",
                    socket, LONGEST_SOCKET);
        }
        Path home = directory.getParent();
        if (home != null && !Files.exists(home)) {
            Files.createDirectories(home);
        }
        if (Files.exists(directory)) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "%s is there already: stop that copy first, or choose another --name",
                    directory);
        }
        var own =
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
        Files.createDirectory(directory, own);
        Files.createDirectory(directory.resolve("s"), own);
    }

    /** Writes the configuration; the data directory is as the base backup has made it. */
    public void configure() throws IOException {
        ControlFile control =
                ControlFile.parse(
                        Files.readAllBytes(copy.data().resolve("global/pg_control")),
                        PgVersion.ofMajor(copy.major()));
        List<String> lines = new ArrayList<>();
        lines.add("# By palimpsest connect: a copy of " + copy.source() + " as of " + copy.lsn());
        set(lines, "listen_addresses", copy.tcp() ? "127.0.0.1" : "");
        set(lines, "port", Integer.toString(copy.port()));
        set(lines, "unix_socket_directories", copy.socketDirectory().toString());
        set(lines, "unix_socket_permissions", "0700");
        set(lines, "cluster_name", "palimpsest " + copy.name());
        set(lines, "archive_mode", "off");
        set(lines, "wal_level", "replica");
        set(lines, "max_wal_senders", "0");
        set(lines, "max_replication_slots", "0");
        set(lines, "max_logical_replication_workers", "0");
        set(lines, "shared_preload_libraries", "");
        set(lines, "track_commit_timestamp", control.tracksCommitTimestamps() ? "on" : "off");
        set(
                lines,
                "max_prepared_transactions",
                Integer.toString(control.maxPreparedTransactions()));
        set(lines, "password_encryption", "scram-sha-256");
        set(lines, "ssl", "off");
        set(lines, "logging_collector", "off");
        set(lines, "log_destination", "stderr");
        Files.write(copy.data().resolve("postgresql.conf"), lines);
        Files.writeString(copy.data().resolve("postgresql.auto.conf"), "");
        Files.writeString(copy.data().resolve("pg_ident.conf"), "");
        Files.writeString(
                copy.data().resolve("pg_hba.conf"),
                "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n");
        copy.write();
        account.own(copy.directory());
    }

    private static void set(List<String> lines, String name, String value) {
        lines.add(name + " = '" + value.replace("'", "''") + "'");
    }

    /**
     * Starts it, in a session of its own, and returns when it takes connections.
     *
     * @throws PageserverException IO with the end of its log if it does not start
     */
    public void start() throws IOException, InterruptedException {
        List<String> command =
                account.command(
                        List.of(
                                installation.program("postgres").toString(),
                                "-D",
                                copy.data().toString()));
        Process process =
                new ProcessBuilder(command)
                        .directory(copy.directory().toFile())
                        .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.appendTo(copy.log().toFile()))
                        .start();
        long begun = System.nanoTime();
        while (!ready()) {
            if (!process.isAlive() || System.nanoTime() - begun > START_NANOS) {
                process.destroyForcibly();
                throw new PageserverException(
                        ErrorCode.IO,
                        "PostgreSQL " + copy.major() + " did not start:\n" + logTail());
            }
            Thread.sleep(10);
        }
    }

    private boolean ready() throws IOException {
        List<String> lines = pidFile();
        return lines.size() >= 8 && lines.get(7).strip().equals("ready");
    }

    private List<String> pidFile() throws IOException {
        Path file = copy.data().resolve("postmaster.pid");
        return Files.exists(file) ? Files.readAllLines(file) : List.of();
    }

    /** Its postmaster, if it runs. */
    private Optional<ProcessHandle> postmaster() {
        try {
            List<String> lines = pidFile();
            if (lines.isEmpty()) {
                return Optional.empty();
            }
            // After a crash the number may be another program's.
            return ProcessHandle.of(Long.parseLong(lines.getFirst().strip()))
                    .filter(p -> p.info().command().orElse("").endsWith("postgres"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    public boolean isRunning() {
        return postmaster().isPresent();
    }

    /** Fast shutdown, if it runs; returns when it has ended. */
    public void stop() throws IOException, InterruptedException {
        Optional<ProcessHandle> running = postmaster();
        if (running.isEmpty()) {
            return;
        }
        long pid = running.get().pid();
        Process signal = new ProcessBuilder("kill", "-INT", Long.toString(pid)).start();
        signal.waitFor();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(STOP_SECONDS);
        while (Files.exists(copy.data().resolve("postmaster.pid"))) {
            if (System.nanoTime() > end) {
                throw new PageserverException(
                        ErrorCode.IO,
                        String.format(
                                Locale.ROOT,
                                "PostgreSQL (pid %d) has not stopped within %d s: see %s",
                                pid,
                                STOP_SECONDS,
                                copy.log()));
            }
            Thread.sleep(20);
        }
    }

    /** Removes all of it from this machine; it must not run. */
    public void remove() {
        Path home = Objects.requireNonNull(copy.directory().toAbsolutePath().getParent());
        new NioDisk(home).deleteTree(copy.name());
    }

    /** Connects by the socket. */
    SqlConnection connect(String database) {
        return new SqlConnection(copy.socket(), copy.user(), database);
    }

    /** A query's rows. */
    public List<List<@Nullable String>> query(String database, String sql) {
        try (SqlConnection connection = connect(database)) {
            return connection.query(sql);
        }
    }

    /** Gives its user a password, for connections by TCP. */
    public void setPassword(String database, String password) {
        query(
                database,
                "ALTER ROLE \"%s\" PASSWORD '%s'"
                        .formatted(copy.user().replace("\"", "\"\""), password));
    }

    /**
     * Where this machine sorts text in another way than the original's did: indexes on text may be
     * wrong there. One line each.
     */
    public List<String> collationWarnings(String database) {
        List<String> found = new ArrayList<>();
        if (copy.major() >= 15) {
            rows(
                    found,
                    database,
                    "SELECT 'database ' || datname, datcollversion, pg_database_collation_actual_version(oid) FROM pg_database WHERE datcollversion <> pg_database_collation_actual_version(oid)");
        }
        rows(
                found,
                database,
                "SELECT 'collation ' || collname, collversion, pg_collation_actual_version(oid) FROM pg_collation WHERE collversion <> pg_collation_actual_version(oid)");
        return found;
    }

    private void rows(List<String> into, String database, String sql) {
        for (List<@Nullable String> row : query(database, sql)) {
            into.add(
                    "%s was sorted by version %s, here it is %s: REINDEX what sorts text before you trust it"
                            .formatted(row.get(0), row.get(1), row.get(2)));
        }
    }

    private String logTail() throws IOException {
        if (!Files.exists(copy.log())) {
            return "(it wrote no log)";
        }
        List<String> lines = Files.readAllLines(copy.log());
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 15), lines.size()));
    }
}
