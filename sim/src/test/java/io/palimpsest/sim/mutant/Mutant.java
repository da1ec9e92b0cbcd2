package io.palimpsest.sim.mutant;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlTable;

/**
 * A bug to be planted: another text in one place of one source file (decision 0095).
 *
 * @param name lower case, words joined by '-'
 * @param what it does, for people
 * @param file of the source, below {@code io/palimpsest} of the core
 * @param old what is in the file just once
 * @param replacement what is there instead
 * @param by what must find it: a scenario, or "crash-points" and a protocol
 */
record Mutant(String name, String what, String file, String old, String replacement, String by) {
    private static final String RESOURCE = "/mutants.toml";
    private static final String CRASH_POINTS = "crash-points ";

    /** All that there are, in the order of their file. */
    static List<Mutant> all() {
        try (InputStream in = Mutant.class.getResourceAsStream(RESOURCE)) {
            if (in == null) {
                throw new IllegalStateException("no resource " + RESOURCE);
            }
            return parse(new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Mutant> parse(String text) {
        TomlParseResult parsed = Toml.parse(text);
        if (parsed.hasErrors()) {
            throw new IllegalStateException(RESOURCE + ": " + parsed.errors().getFirst());
        }
        List<Mutant> all = new ArrayList<>();
        TomlArray tables = parsed.getArrayOrEmpty("mutant");
        for (int i = 0; i < tables.size(); i++) {
            TomlTable t = tables.getTable(i);
            all.add(
                    new Mutant(
                            string(t, "name"),
                            string(t, "what"),
                            string(t, "file"),
                            string(t, "old"),
                            string(t, "new"),
                            string(t, "by")));
        }
        return all;
    }

    private static String string(TomlTable t, String key) {
        String value = t.getString(key);
        if (value == null) {
            throw new IllegalStateException(
                    RESOURCE + ": no '" + key + "' in the mutant at " + t.inputPositionOf("name"));
        }
        return value;
    }

    /** The source with the bug in it. */
    String planted(Path sources) throws IOException {
        Path path = sources.resolve("io/palimpsest").resolve(file);
        String text = Files.readString(path);
        int at = text.indexOf(old);
        if (old.isEmpty() || at < 0 || text.indexOf(old, at + 1) >= 0) {
            throw new IllegalStateException(
                    "mutant %s: expected this just once in %s, found it %s; change it in mutants.toml:%n%s"
                            .formatted(name, path, at < 0 ? "nowhere" : "more than once", old));
        }
        return text.substring(0, at) + replacement + text.substring(at + old.length());
    }

    boolean byCrashPoints() {
        return by.startsWith(CRASH_POINTS);
    }

    /** How the simulator is asked to look for it, from that seed on, up to the first failure. */
    List<String> hunt(long seed, long seeds) {
        return List.of(
                byCrashPoints() ? "crash-points" : "run",
                byCrashPoints() ? "--protocol" : "--scenario",
                byCrashPoints() ? by.substring(CRASH_POINTS.length()) : by,
                "--seed",
                Long.toString(seed),
                "--seeds",
                Long.toString(seeds),
                "--first-failure",
                "true");
    }
}
