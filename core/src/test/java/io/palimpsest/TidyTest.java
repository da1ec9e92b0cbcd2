package io.palimpsest;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * House rules that a formatter or compiler does not hold, over all modules. Each message says what
 * to do instead.
 */
class TidyTest {
    private static final int LONG_FILE = 700;
    private static final Pattern BAD_TYPE_NAME =
            Pattern.compile(
                    "^public .*\\b(class|interface|record|enum) \\w*(Impl|Util|Utils|Helper|Manager)\\b");
    private static final Pattern OPEN_END =
            Pattern.compile("\\b(TODO|FIXME|XXX)\\b(?! \\(issue \\d+\\))");

    @Test
    void sourcesAreTidy() throws IOException {
        List<String> wrong = new ArrayList<>();
        Path root = Path.of("").toAbsolutePath().getParent();
        for (String module : List.of("core", "sim", "server", "fixtures", "regress")) {
            Path sources = root.resolve(module).resolve("src");
            if (!Files.exists(sources)) {
                continue;
            }
            try (Stream<Path> files = Files.walk(sources)) {
                for (Path file :
                        files.filter(f -> f.toString().endsWith(".java")).sorted().toList()) {
                    check(root.relativize(file), Files.readAllLines(file), wrong);
                }
            }
        }
        assertEquals(List.of(), wrong, String.join("\n", wrong));
    }

    private static void check(Path file, List<String> lines, List<String> wrong) {
        if (file.endsWith("TidyTest.java")) {
            return;
        }
        boolean main = file.toString().contains("/main/");
        if (main
                && lines.size() > LONG_FILE
                && lines.stream().noneMatch(l -> l.contains("Why this file is long:"))) {
            wrong.add(
                    file
                            + ": "
                            + lines.size()
                            + " lines; split it, or say why in a comment 'Why this file is long: ...'");
        }
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            String at = file + ":" + (i + 1) + ": ";
            if (OPEN_END.matcher(line).find()) {
                wrong.add(at + "an open end without an issue; write 'TODO (issue N)' or do it");
            }
            if (main && BAD_TYPE_NAME.matcher(line).find()) {
                wrong.add(at + "find the true noun for this type");
            }
            if (main && line.contains("printStackTrace()")) {
                wrong.add(at + "take a Tracer or a logger");
            }
            if (!main && line.contains("@Disabled")) {
                wrong.add(at + "a disabled test proves nothing: mend it or delete it");
            }
        }
    }
}
