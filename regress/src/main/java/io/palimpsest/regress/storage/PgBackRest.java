package io.palimpsest.regress.storage;

import io.palimpsest.fixtures.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * pgBackRest over a PostgreSQL: full backups and the archive of its WAL, both compressed by zstd,
 * in a directory.
 */
final class PgBackRest {
    private static final Path PROGRAM = Path.of("/usr/bin/pgbackrest");
    private static final String STANZA = "main";

    private final EmbeddedPostgres postgres;
    private final Path repository;
    private final Path configuration;

    /**
     * @param postgres was never started; from its first start on it archives
     */
    PgBackRest(Path home, EmbeddedPostgres postgres) {
        this.postgres = postgres;
        Path own = postgres.writableDirectory("pgbackrest");
        this.repository = own.resolve("repository");
        this.configuration = home.resolve("pgbackrest.conf");
        try {
            Files.writeString(
                    configuration,
                    """
                    [global]
                    repo1-path=%s
                    log-path=%s
                    lock-path=%s
                    spool-path=%s
                    compress-type=zst
                    process-max=%d
                    start-fast=y
                    log-level-console=warn
                    log-level-file=off

                    [%s]
                    pg1-path=%s
                    pg1-port=%d
                    pg1-socket-path=%s
                    pg1-user=%s
                    """
                            .formatted(
                                    repository,
                                    own.resolve("log"),
                                    own.resolve("lock"),
                                    own.resolve("spool"),
                                    Runtime.getRuntime().availableProcessors(),
                                    STANZA,
                                    postgres.data(),
                                    postgres.port(),
                                    postgres.directory().resolve("s"),
                                    EmbeddedPostgres.USER));
            Files.writeString(
                    postgres.data().resolve("postgresql.conf"),
                    """
                    archive_mode = on
                    archive_command = '%s --config=%s --stanza=%s archive-push %%p'
                    """
                            .formatted(PROGRAM, configuration, STANZA),
                    StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Sees to it that it is installed.
     *
     * @throws IllegalStateException says what is to be done
     */
    static void require() throws IOException, InterruptedException {
        if (!Files.exists(PROGRAM) && "root".equals(System.getProperty("user.name"))) {
            List<List<String>> tries =
                    List.of(
                            List.of("apt-get", "install", "-y", "-qq", "pgbackrest"),
                            List.of("apt-get", "update", "-qq"),
                            List.of("apt-get", "install", "-y", "-qq", "pgbackrest"));
            for (List<String> command : tries) {
                if (!Files.exists(PROGRAM)) {
                    ProcessBuilder builder =
                            new ProcessBuilder(command)
                                    .redirectErrorStream(true)
                                    .redirectOutput(ProcessBuilder.Redirect.DISCARD);
                    builder.environment().put("DEBIAN_FRONTEND", "noninteractive");
                    if (!builder.start().waitFor(5, TimeUnit.MINUTES)) {
                        break;
                    }
                }
            }
        }
        if (!Files.exists(PROGRAM)) {
            throw new IllegalStateException(
                    "pgBackRest, which is measured against, is not installed: apt-get install pgbackrest, as root");
        }
    }

    void createStanza() {
        run("stanza-create");
    }

    void fullBackup() {
        run("--type=full", "backup");
    }

    /** To the end of the archive, once a server starts on it. */
    void restore(Path data) {
        run("--pg1-path=" + data, "--archive-mode=off", "restore");
    }

    private void run(String... command) {
        String[] all = new String[command.length + 3];
        all[0] = PROGRAM.toString();
        all[1] = "--config=" + configuration;
        all[2] = "--stanza=" + STANZA;
        System.arraycopy(command, 0, all, 3, command.length);
        String _ = postgres.run(Map.of("PGPASSWORD", postgres.password()), all);
    }

    /** What it keeps of the base, and of the archive. */
    long bytes(String part) {
        try (Stream<Path> files = Files.walk(repository.resolve(part).resolve(STANZA))) {
            long sum = 0;
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                sum += Files.size(file);
            }
            return sum;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
