package io.palimpsest.server.config;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;

/**
 * Some configuration and where it stands. What a server is configured by comes in this order, later
 * ones winning: {@code pageserver.toml}, the environment, {@code -c}.
 *
 * @param where for people: a file's path, {@code $VARIABLE}, or {@code -c} and the fragment
 * @param toml its text
 */
public record ConfigText(String where, String toml) {
    private static final String PREFIX = "PALIMPSEST_";

    /**
     * All of a server's.
     *
     * @param workdir whose file counts; null: none does
     */
    public static List<ConfigText> of(
            @Nullable Path workdir, Map<String, String> environment, List<String> fragments)
            throws IOException {
        if (workdir == null) {
            return of("", "", environment, fragments);
        }
        Path file = ServerConfig.file(workdir);
        return of(
                file.toString(),
                Files.exists(file) ? Files.readString(file) : "",
                environment,
                fragments);
    }

    static List<ConfigText> of(
            String file, String text, Map<String, String> environment, List<String> fragments) {
        List<ConfigText> texts = new ArrayList<>();
        texts.add(new ConfigText(file, text));
        texts.addAll(ofEnvironment(environment));
        fragments.forEach(fragment -> texts.add(new ConfigText("-c " + fragment, fragment)));
        return texts;
    }

    /**
     * Variables named like keys: {@code PALIMPSEST_LISTEN_PG_ADDR}, {@code
     * PALIMPSEST_TENANT_CONFIG__GC_PERIOD} (two underscores where the key has a point), {@code
     * PALIMPSEST_REMOTE_STORAGE}. Others that begin so are none of ours: orchestrators set some for
     * a service that is called palimpsest.
     */
    private static List<ConfigText> ofEnvironment(Map<String, String> environment) {
        List<ConfigText> texts = new ArrayList<>();
        new TreeMap<>(environment)
                .forEach((variable, value) -> {
                    String key = key(variable);
                    if (!key.isEmpty()) {
                        texts.add(new ConfigText("$" + variable, key + " = " + literal(value)));
                    }
                });
        return texts;
    }

    private static String key(String variable) {
        if (!variable.startsWith(PREFIX)) {
            return "";
        }
        String key =
                variable.substring(PREFIX.length()).toLowerCase(Locale.ROOT).replace("__", ".");
        boolean known =
                key.equals(RemoteStorage.TABLE)
                        || ServerConfig.keys().stream()
                                .anyMatch(k -> k.equals(key) || k.startsWith(key + "."));
        return known ? key : "";
    }

    /** TOML as it is; what is none is a string. */
    private static String literal(String value) {
        if (!Toml.parse("x = " + value).hasErrors() && !value.isBlank()) {
            return value;
        }
        return '"' + value.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
