package io.palimpsest.regress.fuzz;

import io.palimpsest.base.Prng;
import io.palimpsest.fixtures.CertificateFiles;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.KeyFiles;
import io.palimpsest.regress.Pause;
import io.palimpsest.regress.ServerProcess;
import io.palimpsest.server.auth.Tokens;
import io.palimpsest.server.connect.Credentials;
import io.palimpsest.service.Access;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code make fuzz}: two page servers, one open and one with TLS and tokens, visited by clients
 * that behave badly ({@link BadlyBehaved}) beside one each that behaves ({@link WellBehaved}). Good
 * if both servers live, nothing was answered that is no message, those who behave got every answer,
 * nothing is left over of those who do not, and no server logged an error of its own.
 */
@Command(name = "fuzz", mixinStandardHelpOptions = true)
public final class ProtocolFuzz implements Callable<Integer> {
    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    private static final int BAD_CLIENTS = 6;

    /** Of what closes, a server may keep some for a moment. */
    private static final int LEFT_OVER = 20;

    private static final int SETTLE_MILLIS = 5_000;
    private static final int REPORT_MILLIS = 10_000;

    @Option(names = "--minutes", description = "how long (${DEFAULT-VALUE})")
    private double minutes = 10;

    @Option(names = "--seed", description = "of what is sent (${DEFAULT-VALUE})")
    private long seed = 1;

    private final AtomicBoolean ended = new AtomicBoolean();
    private final AtomicReference<@Nullable String> failure = new AtomicReference<>();

    public static void main(String[] args) {
        System.exit(new CommandLine(new ProtocolFuzz()).execute(args));
    }

    @Override
    public Integer call() throws IOException {
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-fuzz-");
        KeyFiles keys = new KeyFiles();
        String token =
                Tokens.signed(
                        keys.privateKey(home.resolve("private.pem")), Access.EVERYTHING, null);
        Path publicKey = keys.publicKey(home.resolve("public.pem"));
        CertificateFiles certificate = CertificateFiles.make(home, "fuzz");
        try (ServerProcess open = new ServerProcess(home.resolve("open"));
                ServerProcess closed =
                        new ServerProcess(
                                home.resolve("closed"),
                                List.of(
                                        "pg_auth_type='NeonJWT'",
                                        "auth_validation_public_key_path='" + publicKey + "'",
                                        "enable_tls_page_service_api=true",
                                        "ssl_cert_file='" + certificate.chain() + "'",
                                        "ssl_key_file='" + certificate.key() + "'"))) {
            open.start();
            closed.start();
            Credentials credentials =
                    Credentials.of(
                            Map.of(
                                    "PALIMPSEST_CA_FILE",
                                    certificate.chain().toString(),
                                    "PALIMPSEST_TOKEN",
                                    token));
            return run(
                    List.of(open, closed),
                    List.of(
                            new Door("open", open.pageService(), Credentials.NONE),
                            new Door("TLS and token", closed.pageService(), credentials)));
        }
    }

    private int run(List<ServerProcess> servers, List<Door> doors) throws IOException {
        List<WellBehaved> good = doors.stream().map(door -> new WellBehaved(door, ended)).toList();
        List<BadlyBehaved> bad = new ArrayList<>();
        Prng prng = new Prng(seed);
        for (int i = 0; i < BAD_CLIENTS; i++) {
            bad.add(new BadlyBehaved(doors, prng.nextLong(), ended, failure));
        }
        List<Integer> before = files(servers);
        List<Thread> threads =
                Stream.<Runnable>concat(good.stream(), bad.stream())
                        .map(client -> Thread.ofPlatform().start(client))
                        .toList();
        long until = System.nanoTime() + (long) (minutes * 60e9);
        for (long left = until - System.nanoTime();
                left > 0
                        && failure.get() == null
                        && servers.stream().allMatch(ServerProcess::isRunning);
                left = until - System.nanoTime()) {
            Pause.millis(Math.min(REPORT_MILLIS, 1 + left / 1_000_000));
            OUT.printf(
                    Locale.ROOT,
                    "%6.0f s left  %,d connections, %,d errors%n",
                    Math.max(0, left / 1e9),
                    bad.stream().mapToLong(BadlyBehaved::connections).sum(),
                    bad.stream().mapToLong(BadlyBehaved::errors).sum());
        }
        ended.set(true);
        threads.forEach(ProtocolFuzz::join);
        Pause.millis(SETTLE_MILLIS);
        List<String> wrong = new ArrayList<>();
        if (failure.get() != null) {
            wrong.add(String.valueOf(failure.get()));
        }
        good.forEach(client -> {
            if (client.failure() != null) {
                wrong.add(client.failure());
            }
        });
        List<Integer> after = files(servers);
        for (int i = 0; i < servers.size(); i++) {
            look(servers.get(i), doors.get(i).name(), before.get(i), after.get(i), wrong);
        }
        wrong.forEach(line -> OUT.println("wrong: " + line));
        OUT.printf(
                Locale.ROOT,
                "fuzz: seed=%d minutes=%.1f connections=%d bytes=%d errors=%d good_answers=%d worst_ms=%.1f files_before=%s files_after=%s wrong=%d%n",
                seed,
                minutes,
                bad.stream().mapToLong(BadlyBehaved::connections).sum(),
                bad.stream().mapToLong(BadlyBehaved::bytes).sum(),
                bad.stream().mapToLong(BadlyBehaved::errors).sum(),
                good.stream().mapToLong(WellBehaved::asked).sum(),
                good.stream().mapToLong(WellBehaved::worstNanos).max().orElse(0) / 1e6,
                before,
                after,
                wrong.size());
        return wrong.isEmpty() ? 0 : 1;
    }

    private static void look(
            ServerProcess server, String name, int before, int after, List<String> wrong) {
        if (!server.isRunning()) {
            wrong.add(name + ": the server has ended:\n" + server.logTail());
        }
        if (after > before + LEFT_OVER) {
            wrong.add("%s: %d open files, %d before".formatted(name, after, before));
        }
        server.log()
                .lines()
                .filter(line ->
                        line.contains("\"level\":\"error\"") || line.contains("internal error"))
                .findFirst()
                .ifPresent(line -> wrong.add(name + " logged: " + line));
    }

    /** Open files of each, sockets included. */
    private static List<Integer> files(List<ServerProcess> servers) throws IOException {
        List<Integer> files = new ArrayList<>();
        for (ServerProcess server : servers) {
            try (Stream<Path> all = Files.list(Path.of("/proc/" + server.pid() + "/fd"))) {
                files.add((int) all.count());
            }
        }
        return files;
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }
}
