package io.palimpsest.regress.storage;

import io.palimpsest.base.Limits;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.RelTag;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalSource;
import io.palimpsest.value.Modifications;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code make bench-storage}: the measures of the storage engine, each beside a peer or a limit
 * measured in the same run, with its goal. Every part is a JVM of its own, so that none finds the
 * heap and the compiled code of another.
 */
@Command(name = "bench-storage", mixinStandardHelpOptions = true)
public final class StorageBench implements Callable<Integer> {
    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    /** Parts in the order of the table. */
    private static final Map<String, Supplier<Part>> PARTS = parts();

    private static Map<String, Supplier<Part>> parts() {
        Map<String, Supplier<Part>> all = new LinkedHashMap<>();
        all.put("ingest", IngestPart::new);
        all.put("map", LayerMapPart::new);
        all.put("amplification", AmplificationPart::new);
        all.put("pages", PagePart::new);
        all.put("neighbours", NeighbourPart::new);
        all.put("restart", RestartPart::new);
        all.put("branch", BranchPart::new);
        all.put("relations", RelationsPart::new);
        return all;
    }

    @Option(names = "--pg", description = "PostgreSQL's major version, 14 to 18 (${DEFAULT-VALUE})")
    private int major = 17;

    @Option(names = "--rounds", description = "rounds that count (${DEFAULT-VALUE})")
    private int rounds = 5;

    @Option(names = "--seconds", description = "of each burst of reads (${DEFAULT-VALUE})")
    private double seconds = 0.5;

    @Option(names = "--only", split = ",", description = "parts, by name; all without")
    private List<String> only = List.of();

    @Option(names = "--heap", description = "of each part's JVM (${DEFAULT-VALUE})")
    private String heap = "2g";

    @Option(names = "--json", description = "print JSON with every round's value")
    private boolean json;

    @Option(names = "--jfr", description = "a directory for recordings of the parts")
    private @Nullable Path recordings;

    @Option(names = "--part", hidden = true)
    private @Nullable String part;

    @Option(names = "--home", hidden = true)
    private @Nullable Path given;

    private final long start = System.nanoTime();

    public static void main(String[] args) {
        System.exit(new CommandLine(new StorageBench()).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        if (part != null && given != null) {
            return child(part, given);
        }
        for (String name : only) {
            if (!PARTS.containsKey(name)) {
                throw new IllegalArgumentException(
                        "no part " + name + ": there are " + PARTS.keySet());
            }
        }
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-bench-");
        Report report = new Report(this::say);
        List<String> failed = new ArrayList<>();
        try {
            makeBase(home);
            for (String name : PARTS.keySet()) {
                if ((only.isEmpty() || only.contains(name)) && !runPart(home, name, report)) {
                    failed.add(name);
                }
            }
        } finally {
            EmbeddedPostgres.deleteDirectory(home);
        }
        if (json) {
            Map<String, Object> setting = new LinkedHashMap<>();
            setting.put("pg", major);
            setting.put("rounds", rounds);
            setting.put("processors", Runtime.getRuntime().availableProcessors());
            OUT.println(report.json(setting));
        } else {
            OUT.printf(
                    Locale.ROOT,
                    "%nbench-storage: %d rounds, %d processors shared by servers and clients, %.0f s%n%n",
                    rounds,
                    Runtime.getRuntime().availableProcessors(),
                    (System.nanoTime() - start) / 1e9);
            OUT.println(report.text());
        }
        failed.forEach(name -> System.err.println("bench-storage: part " + name + " failed"));
        return failed.isEmpty() ? 0 : 1;
    }

    /** A small cluster, imported: what timelines that are filled by hand branch off. */
    private void makeBase(Path home) throws IOException {
        say("PostgreSQL " + major + ", imported");
        try (EmbeddedPostgres postgres =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(major), home.resolve("postgres"), Map.of())) {
            postgres.start();
            writeStills(postgres, home);
            Path base = Files.createDirectories(home.resolve("base"));
            Storage storage = new Storage(base, Limits.DEFAULT);
            Timeline timeline =
                    storage.store()
                            .importFrom(
                                    Storage.TENANT,
                                    Storage.BASE,
                                    WalSource.parse(postgres.conninfo(), "bench"));
            // As if WAL had come up to the backup's end: readable from there on.
            timeline.commit(
                    new Modifications(), timeline.lastRecordLsn(), timeline.oldestReadableLsn());
            timeline.shutDown();
            // Nobody is to follow the source, which is gone.
            storage.environment().disk().deleteTree(Storage.sources());
        }
    }

    /** Some 64 MiB of rows, and in a file where they are: "db rel blocks". */
    private static void writeStills(EmbeddedPostgres postgres, Path home) throws IOException {
        try (Connection connection = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE stills (id int, filler text)");
            statement.execute(
                    "INSERT INTO stills SELECT i, repeat(md5(i::text), 7)"
                            + " FROM generate_series(1, 250000) i");
            statement.execute("VACUUM (FREEZE) stills");
            statement.execute("CHECKPOINT");
            try (ResultSet row =
                    statement.executeQuery(
                            "SELECT d.oid || ' ' || pg_relation_filenode('stills') || ' '"
                                    + " || pg_relation_size('stills') / 8192"
                                    + " FROM pg_database d WHERE datname = current_database()")) {
                if (!row.next()) {
                    throw new IllegalStateException("no table");
                }
                Files.writeString(home.resolve("stills"), row.getString(1));
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    /** False if the part failed; the others go on. */
    private boolean runPart(Path home, String name, Report report) throws Exception {
        Path own = Files.createDirectories(home.resolve(name));
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "-Xmx" + heap,
                        "-XX:+UseCompactObjectHeaders",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow"));
        if (recordings != null) {
            Files.createDirectories(recordings);
            command.add(
                    "-XX:StartFlightRecording=settings=profile,filename="
                            + recordings.resolve(name + ".jfr").toAbsolutePath());
        }
        command.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        StorageBench.class.getName(),
                        "--part",
                        name,
                        "--home",
                        home.toString(),
                        "--pg",
                        Integer.toString(major),
                        "--rounds",
                        Integer.toString(rounds),
                        "--seconds",
                        Double.toString(seconds)));
        Process process =
                new ProcessBuilder(command)
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .redirectOutput(
                                json
                                        ? ProcessBuilder.Redirect.DISCARD
                                        : ProcessBuilder.Redirect.PIPE)
                        .start();
        try (var lines = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                say(line);
            }
            if (process.waitFor() != 0) {
                return false;
            }
        } finally {
            process.destroyForcibly();
        }
        report.addFrom(home.resolve(name + ".json"));
        EmbeddedPostgres.deleteDirectory(own);
        return true;
    }

    private Integer child(String name, Path home) throws Exception {
        Supplier<Part> made = PARTS.get(name);
        if (made == null) {
            throw new IllegalArgumentException("no part " + name);
        }
        Report report = new Report(OUT::println);
        String[] stills = Files.readString(home.resolve("stills")).split(" ");
        made.get()
                .run(
                        new Setting(
                                home.resolve(name),
                                home.resolve("base"),
                                new RelTag(
                                        RelTag.DEFAULT_TABLESPACE,
                                        Integer.parseInt(stills[0]),
                                        Integer.parseInt(stills[1]),
                                        RelTag.MAIN),
                                Integer.parseInt(stills[2]),
                                major,
                                rounds,
                                seconds),
                        report);
        report.write(home.resolve(name + ".json"));
        return 0;
    }

    private void say(String text) {
        if (!json) {
            OUT.printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, text);
        }
    }
}
