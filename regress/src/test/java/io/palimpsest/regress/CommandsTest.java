package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.KeyFiles;
import io.palimpsest.fixtures.PostgresBinaries;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Every command of the command line, as a process beside a page server with a store that follows a
 * PostgreSQL. What commands there are the command line says itself; one that {@code commands.txt}
 * does not run with success fails the test.
 */
class CommandsTest {
    private static final String CASES = "commands.txt";
    private static final TenantId TENANT = TenantId.parse("00112233445566778899aabbccddeeff");
    private static final TimelineId MAIN = TimelineId.parse("000000000000000000000000000000a1");

    private final TreeSet<String> succeeded = new TreeSet<>();

    @Test
    void everyCommandSucceeds() throws Exception {
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-commands-");
        String store = "remote_storage={local_path='" + home.resolve("store") + "'}";
        try (EmbeddedPostgres postgres =
                        EmbeddedPostgres.create(
                                PostgresBinaries.fetch(Scene.MAJOR),
                                home.resolve("postgres"),
                                Scene.SETTINGS);
                ServerProcess server = new ServerProcess(home, List.of(store))) {
            postgres.start();
            server.start();
            Path timeline = follow(postgres, server);
            Map<String, String> names =
                    Map.of(
                            "$TENANT",
                            TENANT.toString(),
                            "$STORE",
                            store,
                            "$TIMELINE",
                            timeline.toString(),
                            "$KEY",
                            new KeyFiles().privateKey(home.resolve("key")).toString(),
                            "$PGDATA",
                            home.resolve("pgdata").toString(),
                            "$COPIES",
                            home.resolve("copies").toString());
            Map<String, String> environment =
                    Map.of(
                            "PALIMPSEST_SERVER",
                            "http://127.0.0.1:" + server.management().getPort(),
                            "PALIMPSEST_PAGESERVICE",
                            "127.0.0.1:" + server.pageService().getPort());
            CommandLineRun last = null;
            for (String line : cases()) {
                if (line.startsWith("= ")) {
                    assertTrue(last.out().contains(line.substring(2)), line + "\n" + last.all());
                } else if (line.startsWith("! ")) {
                    assertTrue(last.err().contains(line.substring(2)), line + "\n" + last.all());
                } else if (line.startsWith("elsewhere ")) {
                    elsewhere(line.split(" ", 4));
                } else {
                    last = run(environment, names, line.split(" "));
                }
            }
            TreeSet<String> missing = commands(environment);
            missing.removeAll(succeeded);
            assertEquals(
                    new TreeSet<>(), missing, "no line of " + CASES + " runs these with success");
        } finally {
            EmbeddedPostgres.deleteDirectory(home);
        }
    }

    /** The directory of a timeline whose layers are on the disk and in the store. */
    private static Path follow(EmbeddedPostgres postgres, ServerProcess server) throws IOException {
        try (ManagementClient management = new ManagementClient(server.management())) {
            management.importFrom(TENANT, MAIN, postgres.conninfo(), "commands");
        }
        return server.workingDirectory().resolve("tenants/" + TENANT + "/timelines/" + MAIN);
    }

    private static Path layer(Path timeline) throws IOException {
        try (Stream<Path> files = Files.list(timeline)) {
            return files.filter(f -> f.getFileName().toString().contains("__"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    private static List<String> cases() throws IOException {
        try (InputStream in = CommandsTest.class.getResourceAsStream(CASES)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.isBlank() && !line.startsWith("#"))
                    .toList();
        }
    }

    private CommandLineRun run(
            Map<String, String> environment, Map<String, String> names, String[] words)
            throws Exception {
        List<String> arguments = new ArrayList<>();
        for (int i = 1; i < words.length; i++) {
            // Not before: compaction goes on, and takes layers away.
            arguments.add(
                    words[i].equals("$LAYER")
                            ? layer(Path.of(names.get("$TIMELINE"))).toString()
                            : names.getOrDefault(words[i], words[i]));
        }
        CommandLineRun run = CommandLineRun.of(environment, arguments.toArray(String[]::new));
        assertEquals(Integer.parseInt(words[0]), run.status(), arguments + "\n" + run.all());
        if (run.status() == 0) {
            succeeded.add(words[1]);
            succeeded.add(words.length > 2 ? words[1] + " " + words[2] : words[1]);
        }
        return run;
    }

    /** The words: FILE, TEXT, COMMAND after the first. */
    private void elsewhere(String[] words) throws IOException {
        Path file = Path.of("..").resolve(words[1]);
        assertTrue(Files.readString(file).contains(words[2]), words[1] + " has no " + words[2]);
        succeeded.add(words[3]);
    }

    /** Those with none below them, as the script for fish lists them. */
    private static TreeSet<String> commands(Map<String, String> environment) throws Exception {
        String script = CommandLineRun.of(environment, "completion", "fish").out();
        String all =
                script.lines().filter(l -> l.strip().startsWith("case")).findFirst().orElse("");
        TreeMap<String, String> found = new TreeMap<>();
        Matcher quoted = Pattern.compile("' ([^']+)'").matcher(all);
        while (quoted.find()) {
            found.put(quoted.group(1), quoted.group(1));
        }
        assertTrue(found.size() > 20, script);
        TreeSet<String> leaves = new TreeSet<>(found.keySet());
        leaves.removeIf(
                command -> found.keySet().stream().anyMatch(c -> c.startsWith(command + " ")));
        return leaves;
    }
}
