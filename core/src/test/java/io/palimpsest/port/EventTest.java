package io.palimpsest.port;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What people search logs for: each event has a code of its own, is told, and is explained. */
class EventTest {
    private static final Path ROOT = Path.of("").toAbsolutePath().getParent();

    @Test
    void eachHasACodeOfItsOwn() {
        TreeMap<String, Event> codes = new TreeMap<>();
        for (Event event : Event.values()) {
            assertTrue(event.code().matches("PAL-[1-79]\\d{3}"), event + ": " + event.code());
            Event other = codes.put(event.code(), event);
            assertTrue(other == null, event.code() + " is that of " + other + " and " + event);
            assertTrue(event.word().matches("[a-z0-9]+(-[a-z0-9]+)*"), event.word());
        }
    }

    /** In both directions, and with the level. */
    @Test
    void thePageHasThemAll() throws IOException {
        List<String> expected =
                Arrays.stream(Event.values())
                        .map(e ->
                                "| %s | `%s` | %s |"
                                        .formatted(e.code(), e.word(), lower(e.level())))
                        .sorted()
                        .toList();
        List<String> rows = new ArrayList<>();
        for (String line : Files.readAllLines(ROOT.resolve("docs/events.md"))) {
            if (line.startsWith("| PAL-")) {
                String[] cells = line.split(" *\\| *", -1);
                assertTrue(cells.length == 7 && !cells[4].isEmpty(), "not explained: " + line);
                rows.add("| %s | %s | %s |".formatted(cells[1], cells[2], cells[3]));
            }
        }
        assertEquals(
                String.join("\n", expected),
                rows.stream().sorted().collect(Collectors.joining("\n")));
    }

    @Test
    void eachIsTold() throws IOException {
        String sources = sources("core") + sources("server");
        TreeSet<Event> silent = new TreeSet<>();
        for (Event event : Event.values()) {
            if (!Pattern.compile("\\bEvent\\." + event + "\\b").matcher(sources).find()) {
                silent.add(event);
            }
        }
        assertEquals(List.of(), List.copyOf(silent), "nobody tells these");
    }

    /** A line that bypasses the table has no code. */
    @Test
    void nothingElseIsLogged() throws IOException {
        assertEquals(
                List.of(),
                Pattern.compile("\\b(LOG|LOGGER|log|logger)\\s*\\.(info|warn|error)\\(")
                        .matcher(sources("core") + sources("server"))
                        .results()
                        .map(m -> m.group())
                        .toList(),
                "take an Event and a LogTracer");
    }

    private static String lower(Event.Level level) {
        return level.toString().toLowerCase(java.util.Locale.ROOT);
    }

    private static String sources(String module) throws IOException {
        try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/main/java"))) {
            StringBuilder all = new StringBuilder();
            for (Path file : files.filter(f -> f.toString().endsWith(".java")).sorted().toList()) {
                if (!file.endsWith("Event.java")) {
                    all.append(Files.readString(file));
                }
            }
            return all.toString();
        }
    }
}
