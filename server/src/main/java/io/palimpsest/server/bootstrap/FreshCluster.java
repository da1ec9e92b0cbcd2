package io.palimpsest.server.bootstrap;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.connect.Account;
import io.palimpsest.server.connect.Installation;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What initdb makes, in a directory of the system's for temporary files, gone when it was used.
 *
 * @param postgresDirectory holds {@code NN/bin/initdb}, or {@code vNN/bin/initdb}; where it has
 *     none of a version, that is looked for where packages put it
 * @param superuser of the cluster
 * @param locale of its databases, which are in UTF-8
 */
public record FreshCluster(Path postgresDirectory, String superuser, String locale) {
    private static final long LONGEST_SECONDS = 120;
    private static final int SAID = 2_000;

    /**
     * Makes one and shows it.
     *
     * @param use gets the data directory
     * @throws PageserverException NOT_FOUND if there is no initdb of that version, IO with what it
     *     said if it fails
     */
    void make(int major, Consumer<Path> use) {
        Installation installation = Installation.find(major, directory(major));
        Account account = Account.choose();
        try {
            Path home = Files.createTempDirectory("palimpsest-initdb-");
            try {
                account.own(home);
                Path data = home.resolve("data");
                run(account, installation, data, home);
                use.accept(data);
            } finally {
                delete(home);
            }
        } catch (IOException | UncheckedIOException e) {
            throw new PageserverException(
                    ErrorCode.IO, "a new cluster could not be made: " + e.getMessage(), e);
        }
    }

    private @Nullable Path directory(int major) {
        for (String name : List.of(Integer.toString(major), "v" + major)) {
            Path bin = postgresDirectory.resolve(name).resolve("bin");
            if (Files.isExecutable(bin.resolve("initdb"))) {
                return bin;
            }
        }
        return null;
    }

    /** Nothing is synced: what is kept of it the page server makes durable. */
    private void run(Account account, Installation installation, Path data, Path home)
            throws IOException {
        Path said = home.resolve("said");
        List<String> command =
                account.command(
                        List.of(
                                installation.program("initdb").toString(),
                                "--pgdata=" + data,
                                "--username=" + superuser,
                                "--encoding=UTF8",
                                "--locale=" + locale,
                                "--data-checksums",
                                "--auth=scram-sha-256",
                                "--auth-local=peer",
                                "--no-instructions",
                                "--no-sync"));
        Process process =
                new ProcessBuilder(command)
                        .directory(home.toFile())
                        .redirectErrorStream(true)
                        .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                        .redirectOutput(said.toFile())
                        .start();
        try {
            boolean ended = process.waitFor(LONGEST_SECONDS, TimeUnit.SECONDS);
            if (!ended || process.exitValue() != 0) {
                String text = Files.readString(said).strip();
                throw PageserverException.of(
                        ErrorCode.IO,
                        "%s %s: %s",
                        installation.program("initdb"),
                        ended ? "failed" : "did not end in " + LONGEST_SECONDS + " s",
                        text.substring(Math.max(0, text.length() - SAID)));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw PageserverException.of(ErrorCode.SHUTTING_DOWN, "the page server stops");
        } finally {
            process.destroyForcibly();
        }
    }

    private static void delete(Path root) throws IOException {
        try (Stream<Path> all = Files.walk(root)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
