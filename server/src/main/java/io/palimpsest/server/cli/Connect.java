package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.connect.BackupClient;
import io.palimpsest.server.connect.Copy;
import io.palimpsest.server.connect.CopyServer;
import io.palimpsest.server.connect.Credentials;
import io.palimpsest.server.connect.Installation;
import io.palimpsest.server.connect.UnpackedBackup;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Starts an unmodified PostgreSQL of one's own on a branch, as of any LSN or time. */
@Command(
        name = "connect",
        mixinStandardHelpOptions = true,
        description = {
            "Starts an unmodified PostgreSQL of your own on a branch, as of any LSN or time.",
            "It is a copy: what is written to it stays in it, and it costs time and space by the size of the database.",
            "It does not archive, replicate, or run the original's preloaded libraries."
        },
        subcommands = {ConnectList.class, ConnectStop.class})
final class Connect implements Callable<Integer> {
    private static final List<String> DATABASES = List.of("postgres", "template1");

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private BranchOptions what = new BranchOptions();
    @Mixin private ServerOptions server = new ServerOptions();

    @Mixin private PageServiceOptions pageService = new PageServiceOptions();

    @Option(
            names = "--mode",
            defaultValue = "full",
            paramLabel = "MODE",
            description =
                    "How it gets the data. There is full: all of it is copied first, which takes time and space by the size of the database.")
    private String mode = "full";

    @Option(
            names = "--port",
            paramLabel = "PORT",
            description =
                    "Listen on 127.0.0.1, with a password made for it. Without: a private socket only.")
    private @Nullable Integer port;

    @Option(names = "--name", paramLabel = "NAME", description = "How to call the copy.")
    private @Nullable String name;

    @Option(
            names = "--home",
            paramLabel = "DIR",
            description =
                    "Where copies lie. Default: PALIMPSEST_COPIES, else ~/.palimpsest/copies.")
    private Path home = Copy.home();

    @Option(
            names = "--bindir",
            paramLabel = "DIR",
            description = "Where the postgres of the same major version is.")
    private @Nullable Path bin;

    @Option(
            names = "--user",
            defaultValue = "postgres",
            description = "A superuser of the cluster. Default: ${DEFAULT-VALUE}.")
    private String user = "postgres";

    @Option(
            names = "--keep",
            description = "Stopping keeps the files and the branch, so that it can go on.")
    private boolean keep;

    @Option(names = "--psql", description = "Run psql on it, and stop it when psql ends.")
    private boolean psql;

    @Option(names = "--json", description = "Print one object.")
    private boolean json;

    private final long begun = System.nanoTime();

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (what.absent()) {
            throw PageserverException.badRequest("connect: name a branch, or say list or stop");
        }
        if (!mode.equals("full")) {
            throw PageserverException.badRequest(
                    "--mode %s: there is full, a copy of all the data. A PostgreSQL that fetches pages as it reads them needs one that is built for that (docs/neon-compute.md)",
                    mode);
        }
        try (ServerApi api = server.open()) {
            return connect(api);
        }
    }

    private int connect(ServerApi api) throws IOException, InterruptedException {
        BranchPoint from = what.resolve(api);
        say("branch     %s", from.said());
        Installation installation = Installation.find(from.major(), bin);
        Path directory = home.toAbsolutePath().resolve(name != null ? checked(name) : freeName());
        CopyServer.prepare(directory);
        TimelineId branch = BranchPoint.newId();
        Copy copy =
                new Copy(
                        directory,
                        server.url().toString(),
                        from.tenant(),
                        branch,
                        from.timeline(),
                        from.lsn(),
                        from.major(),
                        installation.bin(),
                        port != null ? port : freePort(),
                        port != null,
                        keep,
                        user,
                        Instant.now());
        CopyServer postgres = new CopyServer(copy);
        try {
            JsonNode _ = from.branch(api, branch, null);
            double branched = seconds();
            say("branched   in %.3f s, the new branch is %s", branched, branch);
            return start(copy, postgres, branched);
        } catch (IOException | RuntimeException | InterruptedException e) {
            postgres.stop();
            postgres.remove();
            BranchPoint.delete(api, copy.tenant(), copy.branch());
            throw e;
        }
    }

    private int start(Copy copy, CopyServer postgres, double branched)
            throws IOException, InterruptedException {
        long copied = System.nanoTime();
        long bytes = copy(copy);
        say(
                "copied     %s in %.1f s (mode full: it grows with the database)",
                Output.bytes(bytes), (System.nanoTime() - copied) / 1e9);
        postgres.configure();
        postgres.start();
        String database = firstSelect(postgres);
        double selected = seconds();
        say("first SELECT after %.3f s", selected);
        postgres.collationWarnings(database).forEach(line -> err().println("warning: " + line));
        String password = null;
        if (copy.tcp()) {
            byte[] random = new byte[16];
            new SecureRandom().nextBytes(random);
            password = HexFormat.of().formatHex(random);
            postgres.setPassword(database, password);
        }
        if (psql) {
            return psql(copy, postgres, database);
        }
        print(copy, database, password, bytes, branched, selected);
        return Palimpsest.DONE;
    }

    private long copy(Copy copy) throws IOException {
        Progress progress = new Progress(err(), json, "copied");
        try (UnpackedBackup backup =
                new UnpackedBackup(copy.data(), copy.directory().resolve("tablespaces"))) {
            BackupClient.stock(
                    pageService.address(),
                    copy.tenant(),
                    copy.branch(),
                    copy.lsn(),
                    Credentials.of(System.getenv()),
                    (chunk, offset, length) -> {
                        backup.push(chunk, offset, length);
                        progress.bytes(length);
                    });
            backup.finish();
            return backup.bytes();
        }
    }

    /** The database it was made in. */
    private static String firstSelect(CopyServer postgres) {
        PageserverException last = null;
        for (String database : DATABASES) {
            try {
                if (!postgres.query(database, "SELECT count(*) FROM pg_class").isEmpty()) {
                    return database;
                }
            } catch (PageserverException e) {
                last = e;
            }
        }
        throw new PageserverException(
                ErrorCode.IO,
                "it runs, but no SELECT was possible (is there another superuser? say --user): "
                        + (last == null ? "no answer" : last.getMessage()));
    }

    private int psql(Copy copy, CopyServer postgres, String database)
            throws IOException, InterruptedException {
        Process process =
                new ProcessBuilder(
                                psqlProgram(copy),
                                "-h",
                                copy.socketDirectory().toString(),
                                "-p",
                                Integer.toString(copy.port()),
                                "-U",
                                copy.user(),
                                database)
                        .inheritIO()
                        .start();
        int status = process.waitFor();
        try (ServerApi api = server.open()) {
            ConnectStop.stop(api, copy, postgres);
        }
        return status == 0 ? Palimpsest.DONE : Palimpsest.FAILED;
    }

    private static String psqlProgram(Copy copy) {
        Path beside = copy.bin().resolve("psql");
        return Files.isExecutable(beside) ? beside.toString() : "psql";
    }

    private void print(
            Copy copy,
            String database,
            @Nullable String password,
            long bytes,
            double branched,
            double selected) {
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            ObjectNode o = Output.object();
            ConnectList.describe(o, copy, true);
            o.put("mode", "full")
                    .put("bytes", bytes)
                    .put("database", database)
                    .put("branch_seconds", branched)
                    .put("first_select_seconds", selected);
            if (password != null) {
                o.put("password", password);
            }
            Output.json(out, o);
            return;
        }
        out.printf(
                "psql -h %s -p %d -U %s %s%n",
                copy.socketDirectory(), copy.port(), copy.user(), database);
        if (password != null) {
            out.printf(
                    "postgresql://%s:%s@127.0.0.1:%d/%s%n",
                    copy.user(), password, copy.port(), database);
        }
        say("stop it with: palimpsest connect stop %s", copy.name());
    }

    private PrintWriter err() {
        return spec.commandLine().getErr();
    }

    private void say(String format, Object... arguments) {
        err().printf(Locale.ROOT, format + "%n", arguments);
        err().flush();
    }

    /** Since the command began, in whole milliseconds. */
    private double seconds() {
        return (System.nanoTime() - begun) / 1_000_000 / 1e3;
    }

    private static String checked(String name) {
        if (!name.matches("[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")) {
            throw PageserverException.badRequest(
                    "--name '%s': expected letters, digits, and after the first _ . -", name);
        }
        return name;
    }

    private String freeName() {
        List<String> taken = new ArrayList<>(Copy.list(home).stream().map(Copy::name).toList());
        for (int i = 1; ; i++) {
            String next = "c" + i;
            if (!taken.contains(next) && !Files.exists(home.resolve(next))) {
                return next;
            }
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /** The tenant that was named, or the only one. */
    static TenantId tenant(ServerApi api, @Nullable String named) throws InterruptedException {
        if (named != null) {
            return TenantId.parse(named);
        }
        return only(api.get("/v1/tenant"));
    }

    /** The only tenant of a list of them; one that is being deleted is none any more. */
    static TenantId only(JsonNode all) {
        List<String> ids = new ArrayList<>();
        for (JsonNode tenant : all) {
            if (!tenant.at("/state/slug").asText().equals("Stopping")) {
                ids.add(tenant.path("id").asText());
            }
        }
        if (ids.size() != 1) {
            throw PageserverException.badRequest(
                    "the server has %d tenants: say which one by --tenant", ids.size());
        }
        return TenantId.parse(ids.getFirst());
    }
}
