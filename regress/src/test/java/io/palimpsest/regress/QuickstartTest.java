package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * {@code docs/quickstart.md}, word for word: a shell is given each command of its {@code console}
 * blocks in turn, and what it prints has to be what stands there. {@code ...} in a line is any
 * text, as a line any lines. A command has to end with status 0.
 */
class QuickstartTest {
    private static final Path DOCUMENT = Path.of("..", "docs", "quickstart.md");
    private static final String MARK = "palimpsest-quickstart-status";

    /**
     * A command, and what it is to print.
     *
     * @param line of the document, from 1
     */
    private record Step(int line, String command, List<String> output) {}

    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void everyCommandDoesWhatIsSaid() throws Exception {
        assumeTrue(
                List.of(System.getenv("PATH").split(":")).stream()
                        .anyMatch(d -> Files.isExecutable(Path.of(d, "psql"))),
                "QuickstartTest is skipped: there is no psql on this machine");
        List<Step> steps = steps(Files.readAllLines(DOCUMENT));
        assertTrue(steps.size() >= 12, "only " + steps.size() + " commands in " + DOCUMENT);
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-quickstart-");
        try (EmbeddedPostgres postgres =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(Scene.MAJOR),
                        home.resolve("postgres"),
                        Map.of("fsync", "on"))) {
            postgres.start();
            Process shell = shell(home, postgres);
            try (Writer in =
                            new OutputStreamWriter(
                                    shell.getOutputStream(), StandardCharsets.UTF_8);
                    BufferedReader out = shell.inputReader(StandardCharsets.UTF_8)) {
                for (Step step : steps) {
                    run(step, in, out);
                }
            } finally {
                shell.descendants().forEach(ProcessHandle::destroyForcibly);
                shell.destroyForcibly();
            }
            assertEquals(
                    List.of(), files(home.resolve("copies")), "the copy was to go with its psql");
        } finally {
            EmbeddedPostgres.deleteDirectory(home);
        }
    }

    private static List<Path> files(Path directory) throws IOException {
        try (var found = Files.list(directory)) {
            return found.toList();
        }
    }

    private static List<Step> steps(List<String> lines) {
        List<Step> steps = new ArrayList<>();
        boolean within = false;
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (line.startsWith("```")) {
                within = line.equals("```console");
            } else if (within && line.startsWith("$ ")) {
                steps.add(new Step(i + 1, line.substring(2), new ArrayList<>()));
            } else if (within) {
                steps.getLast().output().add(line);
            }
        }
        return steps;
    }

    /** With the commands as they are installed, and ports that nobody uses. */
    private static Process shell(Path home, EmbeddedPostgres postgres) throws IOException {
        Path bin = Files.createDirectory(home.resolve("bin"));
        launcher(bin.resolve("pageserver"), "io.palimpsest.server.Main");
        launcher(bin.resolve("palimpsest"), "io.palimpsest.server.cli.Palimpsest");
        Path work = Files.createDirectory(home.resolve("work"));
        ProcessBuilder builder =
                new ProcessBuilder("bash").directory(work.toFile()).redirectErrorStream(true);
        int management = EmbeddedPostgres.freePort();
        int pages = EmbeddedPostgres.freePort();
        Map<String, String> environment = builder.environment();
        environment.put("PATH", bin + ":" + environment.get("PATH"));
        environment.put("HOME", work.toString());
        environment.put("LC_ALL", "C.UTF-8");
        environment.put("PALIMPSEST_LISTEN_HTTP_ADDR", "127.0.0.1:" + management);
        environment.put("PALIMPSEST_LISTEN_PG_ADDR", "127.0.0.1:" + pages);
        environment.put("PALIMPSEST_SERVER", "http://127.0.0.1:" + management);
        environment.put("PALIMPSEST_PAGESERVICE", "127.0.0.1:" + pages);
        environment.put("PALIMPSEST_COPIES", home.resolve("copies").toString());
        environment.put("PGHOST", "127.0.0.1");
        environment.put("PGPORT", word(postgres.conninfo(), "port"));
        environment.put("PGUSER", "postgres");
        Path passFile = work.resolve(".pgpass");
        Files.writeString(
                passFile, "*:*:*:postgres:" + word(postgres.conninfo(), "password") + "\n");
        Files.setPosixFilePermissions(passFile, PosixFilePermissions.fromString("rw-------"));
        environment.put("PGPASSFILE", passFile.toString());
        environment.remove("PGPASSWORD");
        return builder.start();
    }

    private static String word(String conninfo, String key) {
        return conninfo.replaceAll(".*\\b" + key + "=(\\S+).*", "$1");
    }

    private static void launcher(Path file, String main) throws IOException {
        Files.writeString(
                file,
                """
                #!/bin/sh
                exec '%s' -Xmx1g -XX:+UseSerialGC --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -cp '%s' %s "$@"
                """
                        .formatted(
                                Path.of(System.getProperty("java.home"), "bin", "java"),
                                System.getProperty("java.class.path"),
                                main));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static void run(Step step, Writer in, BufferedReader out) throws IOException {
        in.write(step.command() + "\necho \"" + MARK + " $?\"\n");
        in.flush();
        List<String> printed = new ArrayList<>();
        String line = out.readLine();
        while (line != null && !line.startsWith(MARK)) {
            // How far it is, which is told only where it takes long.
            if (!line.startsWith("... ")) {
                printed.add(line);
            }
            line = out.readLine();
        }
        String where = DOCUMENT + " line " + step.line() + ": " + step.command();
        String all = where + "\nprinted:\n" + String.join("\n", printed);
        assertEquals(MARK + " 0", line, all);
        if (!matches(step.output(), printed)) {
            fail(all + "\nexpected:\n" + String.join("\n", step.output()));
        }
    }

    private static boolean matches(List<String> expected, List<String> printed) {
        StringBuilder pattern = new StringBuilder();
        for (String line : expected) {
            pattern.append(
                    line.equals("...")
                            ? "(?:.*\n)*?"
                            : Pattern.quote(line).replace("...", "\\E.*\\Q") + "\n");
        }
        String text = String.join("", printed.stream().map(l -> l + "\n").toList());
        return Pattern.compile(pattern.toString()).matcher(text).matches();
    }
}
