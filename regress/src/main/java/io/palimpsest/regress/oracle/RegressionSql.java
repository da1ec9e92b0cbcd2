package io.palimpsest.regress.oracle;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import java.io.File;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * PostgreSQL 15's own regression tests as a source of WAL: Debian's source package, fetched by apt
 * with a sources list of its own into the cache, run in the order of the schedule. What they print
 * is of no interest, nor that some fail for want of the test library or of a locale.
 */
final class RegressionSql {
    private static final String DATABASE = "regression";
    private static final String KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
    private static final int MINUTES = 10;

    private final Path directory;
    private final boolean psql;

    private RegressionSql(Path directory, boolean psql) {
        this.directory = directory;
        this.psql = psql;
    }

    /**
     * Fetches the tests unless they are there; null, and one line of reason, if they cannot be had.
     */
    static @Nullable RegressionSql fetch(Consumer<String> progress) {
        Path home = PostgresBinaries.cache().resolve("postgresql-15-regress");
        try {
            if (!Files.isDirectory(home)) {
                progress.accept("fetching Debian's source package of postgresql-15");
                download(home);
            }
            boolean psql = run(home, home.resolve("psql.log"), List.of("psql", "--version")) == 0;
            if (!psql) {
                progress.accept("no psql: regression SQL runs without what psql's commands do");
            }
            return new RegressionSql(home, psql);
        } catch (IOException e) {
            progress.accept("no regression SQL: " + e.getMessage());
            return null;
        }
    }

    private static void download(Path home) throws IOException {
        Path work = home.resolveSibling(home.getFileName() + ".new");
        deleteTree(work);
        for (String name : List.of("lists/partial", "archives/partial", "tree")) {
            Files.createDirectories(work.resolve(name));
        }
        Path list = work.resolve("sources.list");
        Files.writeString(
                list,
                "deb-src [signed-by=" + KEYRING + "] http://deb.debian.org/debian bookworm main\n");
        List<String> apt = new ArrayList<>(List.of("apt-get", "-q"));
        for (String option :
                List.of(
                        "Dir::Etc::SourceList=" + list,
                        "Dir::Etc::SourceParts=-",
                        "Dir::State::Lists=" + work.resolve("lists"),
                        "Dir::Cache::Archives=" + work.resolve("archives"),
                        "Dir::Cache::pkgcache=",
                        "Dir::Cache::srcpkgcache=",
                        "APT::Sandbox::User=root")) {
            apt.addAll(List.of("-o", option));
        }
        Path log = work.resolve("log");
        List<String> update = new ArrayList<>(apt);
        update.add("update");
        require(work, log, update);
        List<String> source = new ArrayList<>(apt);
        source.addAll(List.of("source", "--download-only", "postgresql-15"));
        require(work, log, source);
        Path archive = only(work, "postgresql-15_*.orig.tar.*");
        require(
                work,
                log,
                List.of(
                        "tar",
                        "-xf",
                        archive.toString(),
                        "-C",
                        work.resolve("tree").toString(),
                        "--strip-components=4",
                        "--wildcards",
                        "*/src/test/regress/*"));
        Files.move(work.resolve("tree"), home);
        deleteTree(work);
    }

    private static Path only(Path directory, String glob) throws IOException {
        try (var found = Files.newDirectoryStream(directory, glob)) {
            for (Path file : found) {
                if (!file.toString().endsWith(".asc")) {
                    return file;
                }
            }
        }
        throw new IOException("apt-get source brought no " + glob);
    }

    /** All files of the schedule, one after the other, until told to stop. */
    void run(EmbeddedPostgres postgres, BooleanSupplier stopping, Consumer<String> progress)
            throws SQLException, IOException {
        try (Connection c = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                Statement s = c.createStatement()) {
            s.execute(
                    "create database "
                            + DATABASE
                            + " template template0 lc_collate 'C' lc_ctype 'C'");
            for (String setting :
                    List.of(
                            "lc_messages to 'C'",
                            "lc_monetary to 'C'",
                            "lc_numeric to 'C'",
                            "lc_time to 'C'",
                            "bytea_output to 'hex'",
                            "timezone_abbreviations to 'Default'")) {
                s.execute("alter database " + DATABASE + " set " + setting);
            }
        }
        List<String> tests = schedule();
        int done = 0;
        for (String test : tests) {
            if (stopping.getAsBoolean()) {
                break;
            }
            if (psql) {
                psql(postgres, test);
            } else {
                plain(postgres, test);
            }
            done++;
        }
        progress.accept("regression SQL: " + done + " of " + tests.size() + " files run");
    }

    private List<String> schedule() throws IOException {
        List<String> tests = new ArrayList<>();
        for (String line : Files.readAllLines(directory.resolve("parallel_schedule"))) {
            if (line.startsWith("test:")) {
                tests.addAll(List.of(line.substring(5).strip().split("\\s+")));
            }
        }
        // These need tablespace directories beside the server's, or only look at the others' work.
        tests.removeAll(List.of("tablespace", "opr_sanity", "type_sanity", "misc_sanity"));
        return tests;
    }

    private Path file(String test) {
        return directory.resolve("sql").resolve(test + ".sql");
    }

    private void psql(EmbeddedPostgres postgres, String test) throws IOException {
        Path results = postgres.writableDirectory("regression");
        ProcessBuilder builder =
                new ProcessBuilder(
                        "psql", "-X", "-q", "-a", "-d", DATABASE, "-f", file(test).toString());
        builder.environment().put("PGHOST", "127.0.0.1");
        builder.environment().put("PGPORT", Integer.toString(postgres.port()));
        builder.environment().put("PGUSER", EmbeddedPostgres.USER);
        builder.environment().put("PGPASSWORD", postgres.password());
        builder.environment().put("PGTZ", "PST8PDT");
        builder.environment().put("PGDATESTYLE", "Postgres, MDY");
        builder.environment().put("PG_ABS_SRCDIR", directory.toString());
        builder.environment().put("PG_ABS_BUILDDIR", results.toString());
        builder.environment().put("PG_LIBDIR", directory.toString());
        builder.environment().put("PG_DLSUFFIX", ".so");
        builder.directory(results.toFile())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.to(new File("/dev/null")));
        await(builder.start());
    }

    private void plain(EmbeddedPostgres postgres, String test) throws SQLException, IOException {
        try (Connection c =
                        DriverManager.getConnection(
                                postgres.jdbcUrl(DATABASE) + "&preferQueryMode=simple");
                Statement s = c.createStatement()) {
            for (String statement : SqlScript.statements(Files.readString(file(test)))) {
                try {
                    s.execute(statement);
                } catch (SQLException e) {
                    if (c.isClosed()) {
                        return;
                    }
                }
            }
        }
    }

    private static void require(Path directory, Path log, List<String> command) throws IOException {
        int status = run(directory, log, command);
        if (status != 0) {
            String output = Files.readString(log).strip();
            throw new IOException(
                    command.getFirst()
                            + " ended with "
                            + status
                            + ": "
                            + output.substring(output.lastIndexOf('\n') + 1));
        }
    }

    private static int run(Path directory, Path log, List<String> command) throws IOException {
        return await(
                new ProcessBuilder(command)
                        .directory(directory.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start());
    }

    private static int await(Process process) throws IOException {
        try {
            if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
                process.destroyForcibly();
                throw new IOException(process.info().command().orElse("a command") + " hangs");
            }
            return process.exitValue();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private static void deleteTree(Path root) throws IOException {
        if (!Files.exists(root)) {
            return;
        }
        Files.walkFileTree(
                root,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                            throws IOException {
                        Files.delete(file);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(
                            Path directory, @Nullable IOException failure) throws IOException {
                        Files.delete(directory);
                        return FileVisitResult.CONTINUE;
                    }
                });
    }
}
