package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The table of the field's routes in docs/field-api.md, against a running server. */
class FieldApiTest {
    private static final Path TABLE = Path.of("../docs/field-api.md");
    private static final Pattern ROW =
            Pattern.compile("\\| `([A-Z]+) (\\S+)` \\| (yes|no) \\| ?(.*?) ?\\|");

    /** A row. */
    private record Route(String method, String template, boolean here, String note) {
        String name() {
            return method + " " + template;
        }
    }

    @TempDir private Path directory;

    private static List<Route> table() throws Exception {
        List<Route> rows = new ArrayList<>();
        for (String line : Files.readAllLines(TABLE)) {
            if (line.startsWith("| `")) {
                Matcher row = ROW.matcher(line);
                assertTrue(row.matches(), line);
                rows.add(
                        new Route(
                                row.group(1),
                                row.group(2),
                                row.group(3).equals("yes"),
                                row.group(4)));
            }
        }
        assertTrue(rows.size() > 60, rows.size() + " routes");
        return rows;
    }

    @Test
    void whatIsHereIsHereAndNothingElseAnswers() throws Exception {
        RunningServer.writeRoot(directory);
        try (RunningServer server = new RunningServer(directory, null)) {
            TreeSet<String> routes = new TreeSet<>();
            server.router()
                    .routes()
                    .forEach(route -> routes.add(route.method() + " " + route.template()));
            TreeSet<String> seen = new TreeSet<>();
            for (Route row : table()) {
                assertTrue(seen.add(row.name()), row.name() + " twice");
                assertEquals(row.here(), routes.contains(row.name()), row.name());
                if (!row.here()) {
                    assertTrue(!row.note().isEmpty(), row.name() + " without a reason");
                    int status =
                            server.request(row.method(), path(row.template()), "{}").statusCode();
                    assertTrue(status == 404 || status == 405, row.name() + ": " + status);
                }
            }
        }
    }

    /** Of a tenant and a timeline that are there: so it is the route that is not. */
    private static String path(String template) {
        return template.replace("{tenant}", RunningServer.TENANT)
                .replace("{timeline}", RunningServer.ROOT)
                .replace("{layer}", "x");
    }
}
