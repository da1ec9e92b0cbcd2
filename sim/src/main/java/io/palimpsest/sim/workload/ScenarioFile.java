package io.palimpsest.sim.workload;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseResult;

/**
 * A scenario as TOML: what it is called, and keys with values. What is wrong with it is told by an
 * IllegalArgumentException, which names file, key, expected and found.
 */
final class ScenarioFile {
    private static final String SUFFIX = ".toml";

    /** The key that says what runs it. */
    static final String KIND = "kind";

    static final String MUST_REACH = "must_reach";
    static final String MUST_REACH_IN_MANY = "must_reach_in_many";

    /** A larger number is a slip of the pen. */
    private static final int MOST = 1_000_000;

    private final String path;

    /** By key, tables' names and points before it. */
    private final TreeMap<String, Object> values = new TreeMap<>();

    private ScenarioFile(String path, TomlParseResult parsed) {
        this.path = path;
        if (parsed.hasErrors()) {
            throw new IllegalArgumentException(path + ": " + parsed.errors().getFirst());
        }
        for (String key : parsed.dottedKeySet()) {
            values.put(key, Objects.requireNonNull(parsed.get(key)));
        }
    }

    /** One that comes with the simulator. */
    static ScenarioFile builtIn(String name) {
        try (InputStream in = ScenarioFile.class.getResourceAsStream(name + SUFFIX)) {
            if (in == null) {
                throw new IllegalArgumentException("no scenario " + name);
            }
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            return new ScenarioFile(name + SUFFIX, Toml.parse(text));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whether that is the path of such a file, and no scenario's name. */
    static boolean isPath(String name) {
        return name.endsWith(SUFFIX);
    }

    static ScenarioFile read(String path) {
        try {
            return new ScenarioFile(path, Toml.parse(Files.readString(Path.of(path))));
        } catch (IOException e) {
            throw new IllegalArgumentException(
                    "expected a scenario in " + path + ", found " + e, e);
        }
    }

    /** This one, and where it says nothing what another says. That one must know all the keys. */
    ScenarioFile otherwise(ScenarioFile defaults) {
        for (String key : values.keySet()) {
            if (!defaults.values.containsKey(key)) {
                throw wrong(key, "one of " + defaults.values.keySet());
            }
        }
        // Who says what must be reached says all of it.
        boolean saysAll = values.containsKey(MUST_REACH);
        defaults.values.forEach((key, value) -> {
            if (!saysAll || !key.equals(MUST_REACH_IN_MANY)) {
                values.putIfAbsent(key, value);
            }
        });
        return this;
    }

    /** What runs it: "backup" if it does not say. */
    String kind() {
        return values.getOrDefault(KIND, "backup") instanceof String kind ? kind : "";
    }

    /** The key has that value. */
    void require(String key, String value) {
        if (!value.equals(values.get(key))) {
            throw wrong(key, '"' + value + '"');
        }
    }

    boolean bool(String key) {
        if (values.get(key) instanceof Boolean b) {
            return b;
        }
        throw wrong(key, "true or false");
    }

    int number(String key) {
        if (values.get(key) instanceof Long n && n >= 0 && n <= MOST) {
            return Math.toIntExact(n);
        }
        throw wrong(key, "a number from 0 to " + MOST);
    }

    long seconds(String key) {
        return number(key) * 1_000_000_000L;
    }

    /** {@code "1/3"}: one time in three. */
    Chance chance(String key) {
        if (values.get(key) instanceof String s && s.matches("\\d{1,6}/\\d{1,6}")) {
            int slash = s.indexOf('/');
            int times = Integer.parseInt(s.substring(0, slash));
            int of = Integer.parseInt(s.substring(slash + 1));
            if (times <= of && of > 0) {
                return new Chance(times, of);
            }
        }
        throw wrong(key, "a chance like \"1/3\"");
    }

    /** None if there is no such key. */
    List<String> strings(String key) {
        List<String> strings = new ArrayList<>();
        if (!values.containsKey(key)) {
            return strings;
        }
        if (!(values.get(key) instanceof TomlArray array)) {
            throw wrong(key, "a list of strings");
        }
        for (Object element : array.toList()) {
            if (!(element instanceof String s)) {
                throw wrong(key, "a list of strings");
            }
            strings.add(s);
        }
        return strings;
    }

    /** What is to be thrown where the key's value is none of those. */
    IllegalArgumentException wrong(String key, String expected) {
        @Nullable Object found = values.get(key);
        return new IllegalArgumentException(
                path + ": expected " + expected + " as " + key + ", found " + found);
    }
}
