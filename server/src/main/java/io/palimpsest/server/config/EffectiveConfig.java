package io.palimpsest.server.config;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Every key with its value and where that comes from, and what keys mean: by the example that is
 * installed, whose comments are the short documentation.
 */
public final class EffectiveConfig {
    private static final Pattern KEY =
            Pattern.compile("#([a-z][a-z0-9_.]*) = (.*?)( {2}# example)?");
    private static final String DEFAULT = "default";

    /**
     * A key.
     *
     * @param value as TOML; null: there is none, or it follows from others
     * @param from "default", or where it was given
     */
    public record Entry(String key, @Nullable String value, String from) {
        /** Does somebody want it so? */
        public boolean given() {
            return !from.equals(DEFAULT);
        }
    }

    private record Documented(@Nullable String value, String meaning) {}

    private EffectiveConfig() {}

    /**
     * All keys, in order.
     *
     * @throws io.palimpsest.base.PageserverException BAD_REQUEST with all that is wrong
     */
    public static List<Entry> of(List<ConfigText> texts) {
        SortedMap<String, ServerConfig.Given> given = ServerConfig.given(texts);
        SortedMap<String, Documented> documented = documented();
        Set<String> keys = new TreeSet<>(documented.keySet());
        keys.removeIf(key -> given.keySet().stream().anyMatch(g -> g.startsWith(key + ".")));
        keys.addAll(given.keySet());
        List<Entry> entries = new ArrayList<>();
        for (String key : keys) {
            ServerConfig.Given by = given.get(key);
            Documented usual = documented.get(key);
            entries.add(
                    by != null
                            ? new Entry(key, by.value(), by.where())
                            : new Entry(key, usual == null ? null : usual.value, DEFAULT));
        }
        return entries;
    }

    /** What a key means; null if there is no such key. */
    public static @Nullable String meaning(String key) {
        SortedMap<String, Documented> documented = documented();
        String asked = key.toLowerCase(Locale.ROOT);
        for (String name = asked; !name.isEmpty(); ) {
            Documented found = documented.get(name);
            if (found != null) {
                return found.meaning;
            }
            name = name.substring(0, Math.max(0, name.lastIndexOf('.')));
        }
        return null;
    }

    private static SortedMap<String, Documented> documented() {
        SortedMap<String, Documented> keys = new TreeMap<>();
        StringBuilder comment = new StringBuilder();
        for (String line : example().lines().toList()) {
            Matcher key = KEY.matcher(line);
            if (key.matches()) {
                keys.putIfAbsent(
                        key.group(1),
                        new Documented(
                                key.group(3) == null ? key.group(2) : null,
                                comment.toString().strip()));
            } else if (line.startsWith("# ")) {
                comment.append(line.substring(2)).append('\n');
            } else {
                comment.setLength(0);
            }
        }
        return keys;
    }

    /** The file that is installed as an example. */
    static String example() {
        try (InputStream in = EffectiveConfig.class.getResourceAsStream("pageserver.toml")) {
            if (in == null) {
                throw new IllegalStateException("pageserver.toml is not in the program");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
