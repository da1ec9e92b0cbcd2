package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.FormatVersion;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantSetting;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.port.Disk;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * What holds for each tenant: the server's configuration, or its own (decision 0116). Its own lies
 * in the tenant's directory, in a file {@code config}:
 *
 * <pre>
 *   palimpsest tenant config 1
 *   config KEY VALUE              nanoseconds, bytes or things; each at most once
 *   crc32c ........               of all before
 * </pre>
 *
 * With an object store that is a copy of what the manifest says.
 */
final class TenantConfigs {
    private static final String FILE = "config";
    private static final String MAGIC = "palimpsest tenant config 1\n";
    private static final int MOST = 1 << 16;

    /** What a tenant has of its own, and what comes of it. */
    private record Own(TenantOverrides overrides, TenantConfig config) {}

    private final TenantConfig server;

    /** Replaced whole: it is read at every turn, and hardly ever changed. */
    private final AtomicReference<TreeMap<TenantShardId, Own>> own =
            new AtomicReference<>(new TreeMap<>());

    TenantConfigs(TenantConfig server) {
        this.server = server;
    }

    /** The server's, for those that have nothing of their own. */
    TenantConfig server() {
        return server;
    }

    TenantConfig of(TenantShardId tenant) {
        Own found = own.get().get(tenant);
        return found == null ? server : found.config;
    }

    TenantOverrides overrides(TenantShardId tenant) {
        Own found = own.get().get(tenant);
        return found == null ? TenantOverrides.NONE : found.overrides;
    }

    /** That holds from now on. */
    void put(TenantShardId tenant, TenantOverrides overrides) {
        Own next = new Own(overrides, overrides.over(server));
        TreeMap<TenantShardId, Own> _ =
                own.updateAndGet(before -> {
                    TreeMap<TenantShardId, Own> all = new TreeMap<>(before);
                    if (overrides.isEmpty()) {
                        all.remove(tenant);
                    } else {
                        all.put(tenant, next);
                    }
                    return all;
                });
    }

    /** Durable when it returns. */
    static void write(Disk disk, String directory, TenantOverrides overrides) {
        String path = directory + "/" + FILE;
        if (overrides.isEmpty()) {
            if (disk.exists(path)) {
                disk.delete(path);
                disk.syncDirectory(directory);
            }
            return;
        }
        TextFile.replace(disk, directory, FILE, text(overrides));
    }

    private static String text(TenantOverrides overrides) {
        String body = MAGIC + overrides.lines();
        return body + "crc32c " + TextChecksum.of(body) + "\n";
    }

    /**
     * What the directory says.
     *
     * @throws PageserverException CORRUPTION
     */
    static TenantOverrides read(Disk disk, String directory) {
        String path = directory + "/" + FILE;
        String text = TextFile.read(disk, path, MOST);
        if (text == null) {
            return TenantOverrides.NONE;
        }
        FormatVersion.refuseLater(path, "palimpsest tenant config ", 1, text);
        TreeMap<TenantSetting, Long> values = new TreeMap<>();
        try {
            for (String line : text.split("\n")) {
                if (line.startsWith("config ")) {
                    TenantOverrides.parse(line, values);
                }
            }
            TenantOverrides found = new TenantOverrides(values);
            if (text(found).equals(text)) {
                return found;
            }
        } catch (IllegalArgumentException | PageserverException e) {
            throw damaged(path, text, e);
        }
        throw damaged(path, text, null);
    }

    private static PageserverException damaged(
            String path, String text, @Nullable RuntimeException cause) {
        String message =
                path
                        + ": expected '"
                        + MAGIC.strip()
                        + "' first and a checksum of all before it last, found "
                        + text.length()
                        + " characters that are not so; delete it, and set again what the tenant is to have of its own";
        return cause == null
                ? PageserverException.corruption("%s", message)
                : new PageserverException(
                        ErrorCode.CORRUPTION, message + ": " + cause.getMessage(), cause);
    }
}
