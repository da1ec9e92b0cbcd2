package io.palimpsest.server.config;

import io.netty.util.NetUtil;
import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.HeatmapConfig;
import io.palimpsest.base.Limits;
import io.palimpsest.base.OwnershipConfig;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantSetting;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.server.bootstrap.FreshCluster;
import io.palimpsest.server.redo.WalRedoPool;
import io.palimpsest.server.runtime.LogLines;
import io.palimpsest.server.store.StoreSettings;
import io.palimpsest.service.PageService;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlPosition;

/**
 * The configuration, read from TOML and checked as a whole: everything wrong with it is reported at
 * once. Key names are the field's (docs/configuration.md lists those there are).
 *
 * @param logFormat null: as it suits who reads the log, a terminal or a program
 * @param freshCluster how an empty cluster is made
 * @param maxUploadLag bytes of WAL, see {@link io.palimpsest.remote.RemoteLimits#walBytes}
 */
public record ServerConfig(
        Address pageService,
        Address management,
        DoorConfig doors,
        Clients clients,
        Limits limits,
        TenantConfig tenants,
        Redo redo,
        EvictionConfig eviction,
        OwnershipConfig ownership,
        HeatmapConfig heatmap,
        long maxUploadLag,
        LogLines.@Nullable Format logFormat,
        FreshCluster freshCluster,
        @Nullable StoreSettings remoteStorage) {
    /** Checkpoint distances of WAL that are not in the store yet, at least, before WAL waits. */
    private static final long LEAST_LAG = 2;

    /**
     * Redo by PostgreSQL's own processes.
     *
     * @param postgresDirectory where {@code NN/bin/postgres} are
     * @param libraryDirectory where {@code NN/walredo.so} are; null: where the build puts them
     * @param preloadLibraries those that bring custom resource managers, as in
     *     shared_preload_libraries
     */
    public record Redo(
            WalRedoPool.Settings pool,
            Path postgresDirectory,
            @Nullable Path libraryDirectory,
            String preloadLibraries) {}

    /**
     * How clients of the page service are treated.
     *
     * @param most at once
     * @param idleNanos one that says nothing for so long is dropped
     * @param drainNanos how long requests under way have when the server stops
     */
    public record Clients(int most, long idleNanos, long drainNanos) {}

    /** Where to listen. Port 0 lets the system choose. */
    public record Address(String host, int port) {
        static Address parse(String text) {
            int colon = text.lastIndexOf(':');
            int port = -1;
            try {
                port = Integer.parseInt(text.substring(colon + 1));
            } catch (NumberFormatException e) {
                // reported below, like any other port that is none
            }
            if (colon < 1 || port < 0 || port > 65535) {
                throw new IllegalArgumentException("expected 'host:port', found '" + text + "'");
            }
            return new Address(text.substring(0, colon), port);
        }

        /**
         * Can only this machine reach it? A name that is not localhost counts as reached by others.
         */
        public boolean isLoopback() {
            byte[] address =
                    NetUtil.createByteArrayFromIpAddressString(
                            host.startsWith("[") && host.endsWith("]")
                                    ? host.substring(1, host.length() - 1)
                                    : host);
            if (address == null) {
                return host.equalsIgnoreCase("localhost");
            }
            try {
                return InetAddress.getByAddress(address).isLoopbackAddress();
            } catch (UnknownHostException e) {
                throw new IllegalStateException(host, e);
            }
        }

        @Override
        public String toString() {
            return host + ":" + port;
        }
    }

    private static final long DAY = 24 * 3_600_000_000_000L;
    private static final long LONGEST_NANOS = 30 * DAY;
    private static final Pattern DURATION = Pattern.compile("(\\d+) *(ms|s|m|min|h|hr|d|day|days)");
    private static final Pattern ZERO = Pattern.compile("0+ *(ms|s|m|min|h|hr|d|day|days)?");

    /** One key: how to read its value into the settings. */
    private interface Setting {
        void take(Settings settings, Object value);
    }

    /** What the keys say, with defaults. */
    private static final class Settings {
        Address pageService = new Address("127.0.0.1", 64000);
        Address management = new Address("127.0.0.1", 9898);
        boolean publicWithoutAuth;
        long connections = 4096;
        long idleTimeout = PageService.IDLE_NANOS;
        long drainTimeout = 10_000_000_000L;
        long checkpointDistance = Limits.DEFAULT.flushDistance();
        long checkpointTimeout = Limits.DEFAULT.flushAgeNanos();
        long waitLsn = Limits.DEFAULT.waitLsnNanos();
        long pageCachePages = Limits.DEFAULT.blockCacheBytes() / 8192;
        long ingestBatch = Limits.DEFAULT.ingestBatchRecords();
        long openFiles = Limits.DEFAULT.openLayerFiles();
        long batchPages = Limits.DEFAULT.batchPages();
        final TreeMap<TenantSetting, Long> tenant = new TreeMap<>();

        long tenant(TenantSetting setting) {
            return tenant.getOrDefault(setting, setting.of(TenantConfig.DEFAULT));
        }

        boolean takeOver = OwnershipConfig.DEFAULT.takeOver();
        long maxUploadLag = -1;
        long generationCheck = OwnershipConfig.DEFAULT.checkPeriodNanos();
        long heatmapUpload = HeatmapConfig.DEFAULT.uploadPeriodNanos();
        long secondaryPeriod = HeatmapConfig.DEFAULT.downloadPeriodNanos();
        long secondaryAtOnce = HeatmapConfig.DEFAULT.downloads();
        long secondarySpeed = HeatmapConfig.DEFAULT.bytesPerSecond();
        long secondaryBytes = HeatmapConfig.DEFAULT.mostBytes();
        RedoEngine.Mode redo = RedoEngine.Mode.WHERE_NEEDED;
        long redoTimeout = 10_000_000_000L;
        long redoIdleTimeout = 180_000_000_000L;
        long redoProcesses = Math.max(1, Runtime.getRuntime().availableProcessors());
        Path postgresDirectory = Path.of("/usr/lib/postgresql");
        @Nullable Path redoLibraries;
        String redoPreload = "";
        String superuser = "postgres";
        String locale = "C.UTF-8";
        LogLines.@Nullable Format logFormat;
        final TreeMap<String, Given> given = new TreeMap<>();
        final DoorConfig.Keys doors = new DoorConfig.Keys();
        final Eviction eviction = new Eviction();
        final RemoteStorage remoteStorage = new RemoteStorage();
    }

    private static final TreeMap<String, Setting> KEYS = new TreeMap<>();

    static {
        KEYS.put("listen_pg_addr", (s, v) -> s.pageService = Address.parse(text(v)));
        KEYS.put("listen_http_addr", (s, v) -> s.management = Address.parse(text(v)));
        KEYS.put("page_service_max_connections", (s, v) -> s.connections = number(v, 1, 1 << 16));
        KEYS.put("page_service_idle_timeout", (s, v) -> s.idleTimeout = duration(v));
        KEYS.put("drain_timeout", (s, v) -> s.drainTimeout = durationOrZero(v, LONGEST_NANOS));
        KEYS.put("allow_public_without_auth", (s, v) -> s.publicWithoutAuth = yes(v));
        KEYS.put("wait_lsn_timeout", (s, v) -> s.waitLsn = duration(v));
        KEYS.put("page_cache_size", (s, v) -> s.pageCachePages = number(v, 0, 1L << 32));
        KEYS.put("ingest_batch_size", (s, v) -> s.ingestBatch = number(v, 1, 1 << 20));
        KEYS.put("log_format", (s, v) -> s.logFormat = logFormat(v));
        KEYS.put("redo", (s, v) -> s.redo = redo(v));
        KEYS.put("wal_redo_timeout", (s, v) -> s.redoTimeout = duration(v));
        KEYS.put("wal_redo_idle_timeout", (s, v) -> s.redoIdleTimeout = duration(v));
        KEYS.put("wal_redo_processes", (s, v) -> s.redoProcesses = number(v, 1, 256));
        KEYS.put("wal_redo_library_dir", (s, v) -> s.redoLibraries = Path.of(text(v)));
        KEYS.put("wal_redo_preload_libraries", (s, v) -> s.redoPreload = text(v));
        KEYS.put("superuser", (s, v) -> s.superuser = text(v));
        KEYS.put("locale", (s, v) -> s.locale = text(v));
        KEYS.put("pg_distrib_dir", (s, v) -> s.postgresDirectory = Path.of(text(v)));
        KEYS.put(
                "tenant_config.checkpoint_distance",
                (s, v) -> s.checkpointDistance = number(v, 1 << 16, 1L << 36));
        KEYS.put("tenant_config.checkpoint_timeout", (s, v) -> s.checkpointTimeout = duration(v));
        KEYS.put("max_file_descriptors", (s, v) -> s.openFiles = number(v, 1, 1 << 20));
        KEYS.put("max_get_vectored_keys", (s, v) -> s.batchPages = number(v, 1, 1 << 10));
        for (TenantSetting setting : TenantSetting.values()) {
            KEYS.put(
                    "tenant_config." + setting.key(),
                    (s, v) -> s.tenant.put(setting, TenantValues.parse(setting, v)));
        }
        KEYS.put("take_over", (s, v) -> s.takeOver = yes(v));
        KEYS.put("max_upload_lag", (s, v) -> s.maxUploadLag = number(v, 0, 1L << 40));
        KEYS.put("generation_check_period", (s, v) -> s.generationCheck = duration(v));
        KEYS.put(
                "heatmap_upload_period",
                (s, v) -> s.heatmapUpload = durationOrZero(v, LONGEST_NANOS));
        KEYS.put("secondary_download_period", (s, v) -> s.secondaryPeriod = duration(v));
        KEYS.put("secondary_download_concurrency", (s, v) -> s.secondaryAtOnce = number(v, 1, 100));
        KEYS.put("secondary_bytes_per_second", (s, v) -> s.secondarySpeed = number(v, 0, 1L << 50));
        KEYS.put("secondary_max_bytes", (s, v) -> s.secondaryBytes = number(v, 0, 1L << 60));
        DoorConfig.Keys.all((key, take) -> KEYS.put(key, (s, v) -> take.accept(s.doors, v)));
        Eviction.keys((key, take) -> KEYS.put(key, (s, v) -> take.accept(s.eviction, v)));
    }

    /**
     * The file (none there is fine: all defaults), then the fragments, later ones winning.
     *
     * @throws PageserverException BAD_REQUEST with one line for each thing that is wrong
     */
    public static ServerConfig read(String file, String fileText, List<String> fragments) {
        return read(ConfigText.of(file, fileText, Map.of(), fragments));
    }

    /**
     * All texts in order, later ones winning.
     *
     * @throws PageserverException BAD_REQUEST with one line for each thing that is wrong
     */
    public static ServerConfig read(List<ConfigText> texts) {
        return read(texts, new Settings());
    }

    /** What each key that is given is, and where it was given last. */
    static SortedMap<String, Given> given(List<ConfigText> texts) {
        Settings settings = new Settings();
        ServerConfig _ = read(texts, settings);
        return settings.given;
    }

    /**
     * @param value as TOML has it
     * @param where file and line, variable or argument
     */
    record Given(String value, String where) {}

    private static ServerConfig read(List<ConfigText> texts, Settings settings) {
        List<String> wrong = new ArrayList<>();
        for (ConfigText text : texts) {
            take(Toml.parse(text.toml()), text.where(), settings, wrong);
        }
        checkTogether(settings, wrong);
        EvictionConfig eviction = settings.eviction.config(wrong);
        StoreSettings remoteStorage = settings.remoteStorage.settings(System.getenv(), wrong);
        if (!wrong.isEmpty()) {
            throw PageserverException.badRequest(
                    "%s", "the configuration is not usable:\n  " + String.join("\n  ", wrong));
        }
        Limits d = Limits.DEFAULT;
        Limits limits =
                new Limits(
                        settings.checkpointDistance,
                        settings.checkpointDistance,
                        settings.checkpointTimeout,
                        (int) settings.ingestBatch,
                        d.ingestBatchBytes(),
                        d.layerBlockBytes(),
                        d.recordBytes(),
                        settings.waitLsn,
                        settings.pageCachePages * 8192,
                        (int) settings.openFiles,
                        (int) settings.batchPages,
                        d.chainDeltas(),
                        d.backgroundBytesPerSecond());
        return new ServerConfig(
                settings.pageService,
                settings.management,
                settings.doors.config(),
                new Clients(
                        (int) settings.connections, settings.idleTimeout, settings.drainTimeout),
                limits,
                new TenantOverrides(settings.tenant).over(TenantConfig.DEFAULT),
                new Redo(
                        new WalRedoPool.Settings(
                                settings.redo,
                                (int) settings.redoProcesses,
                                settings.redoTimeout,
                                settings.redoIdleTimeout),
                        settings.postgresDirectory,
                        settings.redoLibraries,
                        settings.redoPreload),
                eviction,
                new OwnershipConfig(settings.generationCheck, settings.takeOver),
                new HeatmapConfig(
                        settings.heatmapUpload,
                        settings.secondaryPeriod,
                        (int) settings.secondaryAtOnce,
                        settings.secondarySpeed,
                        settings.secondaryBytes),
                settings.maxUploadLag < 0
                        ? LEAST_LAG * settings.checkpointDistance
                        : settings.maxUploadLag,
                settings.logFormat,
                new FreshCluster(settings.postgresDirectory, settings.superuser, settings.locale),
                remoteStorage);
    }

    /** What no key alone can say. */
    private static void checkTogether(Settings settings, List<String> wrong) {
        long threshold = settings.tenant(TenantSetting.COMPACTION_THRESHOLD);
        long upperLimit = settings.tenant(TenantSetting.COMPACTION_UPPER_LIMIT);
        if (upperLimit < threshold) {
            wrong.add(
                    "tenant_config.compaction_upper_limit is "
                            + upperLimit
                            + ", less than tenant_config.compaction_threshold, which is "
                            + threshold);
        }
        DoorConfig doors = settings.doors.config();
        if (!settings.publicWithoutAuth) {
            if (!doors.pages()) {
                asksNobody("listen_pg_addr", settings.pageService, "pg_auth_type", wrong);
            }
            if (!doors.management()) {
                asksNobody("listen_http_addr", settings.management, "http_auth_type", wrong);
                Address https = doors.encryption().https();
                if (https != null) {
                    asksNobody("listen_https_addr", https, "http_auth_type", wrong);
                }
            }
        }
        long heap = Runtime.getRuntime().maxMemory();
        fits("page_cache_size", settings.pageCachePages * 8192, heap, wrong);
        fits("tenant_config.checkpoint_distance", settings.checkpointDistance, heap, wrong);
        if (settings.maxUploadLag > 0
                && settings.maxUploadLag < LEAST_LAG * settings.checkpointDistance) {
            wrong.add(
                    "max_upload_lag is "
                            + settings.maxUploadLag
                            + ", less than two of tenant_config.checkpoint_distance, which is "
                            + settings.checkpointDistance
                            + ": one is collected while one is put");
        }
        if (settings.pageService.equals(settings.management) && settings.management.port() != 0) {
            wrong.add(
                    "listen_pg_addr and listen_http_addr are both "
                            + settings.management
                            + ": each needs a port of its own");
        }
    }

    private static void asksNobody(String key, Address address, String auth, List<String> wrong) {
        if (!address.isLoopback()) {
            wrong.add(
                    key
                            + " is "
                            + address
                            + ", which others may reach, and nobody is asked who he is: set "
                            + auth
                            + "='NeonJWT', or, where the network keeps others out, allow_public_without_auth=true");
        }
    }

    private static void fits(String key, long bytes, long heap, List<String> wrong) {
        if (bytes > heap) {
            wrong.add(
                    key
                            + ": "
                            + bytes
                            + " bytes are to be kept in memory, the heap has "
                            + heap
                            + ": choose less, or start Java with a larger -Xmx");
        }
    }

    private static void take(
            TomlParseResult toml, String where, Settings settings, List<String> wrong) {
        toml.errors()
                .forEach(e ->
                        wrong.add(where + " line " + e.position().line() + ": " + e.getMessage()));
        if (toml.isTable(RemoteStorage.TABLE)) {
            settings.remoteStorage.begin(where);
            settings.given.keySet().removeIf(key -> key.startsWith(RemoteStorage.TABLE + "."));
        }
        for (String key : toml.dottedKeySet()) {
            Setting setting = KEYS.get(key);
            Object value = Objects.requireNonNull(toml.get(key));
            TomlPosition position = toml.inputPositionOf(key);
            String place = place(where, position == null ? 0 : position.line());
            // Not the fragment itself: somebody may have put a secret into it.
            String kept = where.startsWith("-c ") ? "-c" : place;
            if (key.startsWith(RemoteStorage.TABLE + ".")) {
                settings.given.put(key, new Given(literal(value), kept));
                settings.remoteStorage.take(
                        key.substring(RemoteStorage.TABLE.length() + 1), value, kept);
                continue;
            }
            if (setting == null) {
                wrong.add(place + ": unknown key '" + key + "'" + didYouMean(key));
                continue;
            }
            try {
                setting.take(settings, value);
                settings.given.put(key, new Given(literal(value), kept));
            } catch (IllegalArgumentException e) {
                wrong.add(place + ": " + key + ": " + e.getMessage());
            }
        }
    }

    /** A variable has no lines. */
    private static String place(String where, int line) {
        return where.startsWith("$") ? where : where + " line " + line;
    }

    private static String literal(Object value) {
        return value instanceof String text ? "'" + text + "'" : value.toString();
    }

    private static String didYouMean(String key) {
        String best =
                KEYS.keySet().stream()
                        .min((a, b) -> Integer.compare(distance(a, key), distance(b, key)))
                        .orElse("");
        return distance(best, key) <= 3
                ? "; did you mean '" + best + "'?"
                : "; known are " + String.join(", ", KEYS.keySet());
    }

    /** Levenshtein's. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int change = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(change, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.length()];
    }

    private static LogLines.@Nullable Format logFormat(Object value) {
        return switch (text(value)) {
            case "auto" -> null;
            case "plain" -> LogLines.Format.LOGFMT;
            case "json" -> LogLines.Format.JSON;
            default ->
                    throw new IllegalArgumentException(
                            "expected 'auto', 'plain' or 'json', found '" + value + "'");
        };
    }

    private static RedoEngine.Mode redo(Object value) {
        return switch (text(value)) {
            case "jvm" -> RedoEngine.Mode.WHERE_NEEDED;
            case "process" -> RedoEngine.Mode.ALWAYS;
            case "verify" -> RedoEngine.Mode.COMPARE;
            default ->
                    throw new IllegalArgumentException(
                            "expected 'jvm', 'process' or 'verify', found '" + value + "'");
        };
    }

    static String text(Object value) {
        if (value instanceof String s) {
            return s;
        }
        throw new IllegalArgumentException("expected a string, found " + value);
    }

    static boolean yes(Object value) {
        if (value instanceof Boolean b) {
            return b;
        }
        throw new IllegalArgumentException("expected true or false, found " + value);
    }

    static long number(Object value, long least, long most) {
        if (value instanceof Long n && n >= least && n <= most) {
            return n;
        }
        throw new IllegalArgumentException(
                "expected a whole number from " + least + " to " + most + ", found " + value);
    }

    /** 0 turns something off. */
    static long durationOrZero(Object value, long longest) {
        return value instanceof String s && ZERO.matcher(s.strip()).matches()
                ? 0
                : duration(value, longest);
    }

    static long duration(Object value) {
        return duration(value, LONGEST_NANOS);
    }

    static long duration(Object value, long longest) {
        Matcher m =
                DURATION.matcher(
                        value instanceof String s ? s.strip().toLowerCase(Locale.ROOT) : "");
        if (!m.matches() || m.group(1).length() > 9) {
            throw new IllegalArgumentException(
                    "expected a duration like '10 m', '300 s' or '5000 ms', found " + value);
        }
        long n = Long.parseLong(m.group(1));
        long unit =
                switch (m.group(2)) {
                    case "ms" -> 1_000_000L;
                    case "s" -> 1_000_000_000L;
                    case "m", "min" -> 60_000_000_000L;
                    case "h", "hr" -> 3_600_000_000_000L;
                    default -> DAY;
                };
        if (n < 1 || n > longest / unit) {
            throw new IllegalArgumentException(
                    "expected a duration from 1 ms to " + longest / DAY + " days, found " + value);
        }
        return n * unit;
    }

    /** All keys but those of {@code remote_storage}. */
    static Set<String> keys() {
        return Collections.unmodifiableSet(KEYS.keySet());
    }

    /** Where the file lies in a working directory. */
    public static Path file(Path workdir) {
        return workdir.resolve("pageserver.toml");
    }
}
