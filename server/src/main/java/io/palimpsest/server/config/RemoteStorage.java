package io.palimpsest.server.config;

import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.server.store.StoreSettings;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The table {@code remote_storage}. Which kind of store it means is told by its keys, so what is
 * wrong is told of the table as a whole. A table of a later source takes the place of an earlier
 * one: keys of two stores do not mix.
 */
final class RemoteStorage {
    static final String TABLE = "remote_storage";

    private static final List<String> COMMON = List.of("timeout", "small_timeout");
    private static final List<String> NETWORK =
            List.of("endpoint", "concurrency_limit", "max_keys_per_list_response");
    private static final List<String> LOCAL = List.of("local_path");
    private static final List<String> S3 =
            List.of("bucket_name", "bucket_region", "prefix_in_bucket", "upload_storage_class");
    private static final List<String> AZURE =
            List.of(
                    "container_name",
                    "storage_account",
                    "container_region",
                    "prefix_in_container",
                    "conn_pool_size",
                    "put_block_size_mb");

    private static final Pattern BUCKET = Pattern.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]");
    private static final Pattern CONTAINER = Pattern.compile("[a-z0-9$][a-z0-9-]{2,62}");
    private static final Pattern ACCOUNT = Pattern.compile("[a-z0-9]{3,24}");
    private static final Pattern WORD = Pattern.compile("[A-Za-z0-9_-]{1,64}");

    /** A block is held in memory while it is sent. */
    private static final int LARGEST_BLOCK_MEBIBYTES = 256;

    /** Leaves room for the longest key: stores take 1024 bytes of both. */
    private static final int LONGEST_PREFIX = 400;

    /** A value and where it stands. */
    private record Given(Object value, String where) {}

    private final Map<String, Given> given = new TreeMap<>();
    private String source = "";
    private boolean any;

    /** The table itself is in that source, with keys or without. */
    void begin(String from) {
        if (!from.equals(source)) {
            given.clear();
            source = from;
        }
        any = true;
    }

    /**
     * @param key within the table
     * @param where file and line
     */
    void take(String key, Object value, String where) {
        given.put(key, new Given(value, where));
    }

    /**
     * What is meant; null if there is no such table, or it is wrong.
     *
     * @param environment for the storage account, where the table leaves it out
     */
    @Nullable StoreSettings settings(Map<String, String> environment, List<String> wrong) {
        if (!any) {
            return null;
        }
        int before = wrong.size();
        List<String> kinds = new ArrayList<>();
        addIfGiven(LOCAL, kinds);
        addIfGiven(S3, kinds);
        addIfGiven(AZURE, kinds);
        if (kinds.isEmpty()) {
            wrong.add(
                    "remote_storage names no store: expected local_path, or bucket_name and bucket_region, or container_name, storage_account and container_region");
        } else if (kinds.size() > 1) {
            wrong.add(
                    "remote_storage names more than one store: %s do not go together"
                            .formatted(String.join(" and ", kinds)));
        }
        refuseUnknown(wrong);
        StoreSettings.Bounds bounds =
                new StoreSettings.Bounds(
                        (int) number("concurrency_limit", 100, 1, 10_000, wrong),
                        (int) number("max_keys_per_list_response", 1000, 1, 5000, wrong),
                        duration("timeout", 120, wrong),
                        duration("small_timeout", 30, wrong));
        String endpoint = endpoint(wrong);
        StoreSettings settings = null;
        if (has(LOCAL)) {
            for (String key : NETWORK) {
                if (given.containsKey(key)) {
                    wrong.add(at(key) + "a local store has none");
                }
            }
            settings = new StoreSettings.Local(localPath(wrong));
        } else if (has(S3)) {
            settings =
                    new StoreSettings.S3(
                            text("bucket_name", BUCKET, wrong),
                            region(wrong),
                            prefix("prefix_in_bucket", wrong),
                            endpoint,
                            given.containsKey("upload_storage_class")
                                    ? text("upload_storage_class", WORD, wrong)
                                    : null,
                            bounds);
        } else if (has(AZURE)) {
            settings =
                    new StoreSettings.Azure(
                            text("container_name", CONTAINER, wrong),
                            account(environment, wrong),
                            text("container_region", WORD, wrong),
                            prefix("prefix_in_container", wrong),
                            endpoint,
                            (int)
                                    number(
                                            "conn_pool_size",
                                            StoreSettings.Azure.IDLE_CONNECTIONS,
                                            1,
                                            10_000,
                                            wrong),
                            blockSize(wrong),
                            bounds);
        }
        return wrong.size() == before ? settings : null;
    }

    /** Without it the table has the form that elsewhere means Google's. */
    private String region(List<String> wrong) {
        if (!given.containsKey("bucket_region")) {
            wrong.add(
                    "remote_storage.bucket_region is missing; bucket_name without it would mean Google Cloud Storage, which is not supported");
            return "";
        }
        return text("bucket_region", WORD, wrong);
    }

    /** 0 means the usual. */
    private int blockSize(List<String> wrong) {
        long mebibytes = number("put_block_size_mb", 0, 0, LARGEST_BLOCK_MEBIBYTES, wrong);
        return mebibytes == 0 ? StoreSettings.Azure.BLOCK_SIZE : (int) (mebibytes << 20);
    }

    private boolean has(List<String> keys) {
        return keys.stream().anyMatch(given::containsKey);
    }

    private void addIfGiven(List<String> keys, List<String> kinds) {
        keys.stream().filter(given::containsKey).findFirst().ifPresent(kinds::add);
    }

    private void refuseUnknown(List<String> wrong) {
        TreeSet<String> known = new TreeSet<>(COMMON);
        known.addAll(NETWORK);
        known.addAll(LOCAL);
        known.addAll(S3);
        known.addAll(AZURE);
        for (String key : given.keySet()) {
            if (!known.contains(key)) {
                wrong.add(at(key) + "unknown; known are " + String.join(", ", known));
            }
        }
    }

    private String at(String key) {
        Given g = given.get(key);
        return (g == null ? "" : g.where + ": ") + TABLE + "." + key + ": ";
    }

    private @Nullable String string(String key, List<String> wrong) {
        Given g = given.get(key);
        if (g == null) {
            return null;
        }
        if (g.value instanceof String s) {
            return s;
        }
        wrong.add(at(key) + "expected a string, found " + g.value);
        return null;
    }

    private String text(String key, Pattern pattern, List<String> wrong) {
        if (!given.containsKey(key)) {
            wrong.add(TABLE + "." + key + " is missing");
            return "";
        }
        String text = string(key, wrong);
        if (text != null && !pattern.matcher(text).matches()) {
            wrong.add(at(key) + "expected " + pattern + ", found '" + text + "'");
        }
        return Objects.requireNonNullElse(text, "");
    }

    private String account(Map<String, String> environment, List<String> wrong) {
        String fallback = environment.get("AZURE_STORAGE_ACCOUNT");
        if (!given.containsKey("storage_account") && fallback != null) {
            if (!ACCOUNT.matcher(fallback).matches()) {
                wrong.add("AZURE_STORAGE_ACCOUNT: expected " + ACCOUNT);
            }
            return fallback;
        }
        return text("storage_account", ACCOUNT, wrong);
    }

    private Path localPath(List<String> wrong) {
        String text = string("local_path", wrong);
        try {
            if (text != null && text.isBlank()) {
                wrong.add(at("local_path") + "expected a path, found none");
            }
            return Path.of(text == null ? "" : text);
        } catch (InvalidPathException e) {
            wrong.add(at("local_path") + "expected a path, found " + e.getReason());
            return Path.of("");
        }
    }

    /** "/a/b/" and "a/b" mean the same: all keys begin with "a/b/". */
    private String prefix(String key, List<String> wrong) {
        String text = string(key, wrong);
        String bare = text == null ? "" : text.replaceAll("^/+|/+$", "");
        if (bare.isEmpty()) {
            return "";
        }
        try {
            ObjectStore.requireKey(bare);
            if (bare.length() > LONGEST_PREFIX) {
                wrong.add(at(key) + "expected at most " + LONGEST_PREFIX + " characters");
            }
        } catch (PageserverException e) {
            wrong.add(at(key) + "expected parts like a-b_1.c, separated by '/': " + e.getMessage());
        }
        return bare + "/";
    }

    private @Nullable String endpoint(List<String> wrong) {
        String text = string("endpoint", wrong);
        if (text == null) {
            return null;
        }
        try {
            URI uri = new URI(text);
            boolean web = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
            if (!web || uri.getHost() == null) {
                wrong.add(at("endpoint") + "expected http(s)://host[:port]");
            } else if (uri.getRawUserInfo() != null || uri.getRawQuery() != null) {
                // It may be a secret, so it is not repeated.
                wrong.add(
                        at("endpoint")
                                + "no user, password or query belongs here: identities come from the environment");
            }
        } catch (URISyntaxException e) {
            wrong.add(at("endpoint") + "expected http(s)://host[:port]");
        }
        return text;
    }

    private long number(String key, long otherwise, long least, long most, List<String> wrong) {
        Given g = given.get(key);
        if (g == null) {
            return otherwise;
        }
        if (g.value instanceof Long n && n >= least && n <= most) {
            return n;
        }
        wrong.add(
                at(key)
                        + "expected a whole number from "
                        + least
                        + " to "
                        + most
                        + ", found "
                        + g.value);
        return otherwise;
    }

    private Duration duration(String key, long seconds, List<String> wrong) {
        Given g = given.get(key);
        if (g == null) {
            return Duration.ofSeconds(seconds);
        }
        try {
            return Duration.ofNanos(ServerConfig.duration(g.value));
        } catch (IllegalArgumentException e) {
            wrong.add(at(key) + e.getMessage());
            return Duration.ofSeconds(seconds);
        }
    }
}
