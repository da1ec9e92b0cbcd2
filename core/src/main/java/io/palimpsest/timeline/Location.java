package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.FormatVersion;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.port.Disk;
import org.jspecify.annotations.Nullable;

/**
 * What a server is to a tenant, as it was told, and as it is written down in the tenant's
 * directory. Where nothing is written it owns the tenant.
 *
 * @param generation under which the tenant is attached; 0 if it is not, or there is no store
 * @param warm layers are kept ready; of a secondary location only
 */
public record Location(LocationMode mode, int generation, boolean warm) {
    private static final String FILE = "location";
    private static final String MARK = "palimpsest location ";

    /** Of a tenant that is being deleted: who does not know of that refuses it. */
    private static final int NEWEST = 2;

    private static final int MOST = 1024;

    public Location {
        Check.that(generation >= 0, "generation %d", generation);
        Check.that(
                mode != LocationMode.ATTACHED_STALE || generation > 0, "stale under no generation");
        Check.that(!warm || mode == LocationMode.SECONDARY, "%s, and warm", mode);
    }

    private static String directory(TenantShardId tenant) {
        return TimelineStore.ROOT + "/" + tenant;
    }

    private String text() {
        String body =
                MARK
                        + (mode == LocationMode.DELETING ? NEWEST : 1)
                        + "\nmode "
                        + mode
                        + "\ngeneration "
                        + generation
                        + "\nwarm "
                        + (warm ? "yes" : "no")
                        + "\n";
        return body + "crc32c " + TextChecksum.of(body) + "\n";
    }

    /** Durable when it returns. */
    void write(Disk disk, TenantShardId tenant) {
        TextFile.replace(disk, directory(tenant), FILE, text());
    }

    /** Deletes what a crash has left of a change of it. */
    static void tidy(Disk disk, TenantShardId tenant) {
        String temporary = directory(tenant) + "/" + FILE + TimelineIndex.TEMPORARY_SUFFIX;
        if (disk.exists(temporary)) {
            disk.delete(temporary);
            disk.syncDirectory(directory(tenant));
        }
    }

    /**
     * What is written down; null if nothing is.
     *
     * @throws PageserverException CORRUPTION if it cannot be read: who guesses may take a tenant
     *     from its owner
     */
    static @Nullable Location read(Disk disk, TenantShardId tenant) {
        String path = directory(tenant) + "/" + FILE;
        String text = TextFile.read(disk, path, MOST);
        if (text == null) {
            return null;
        }
        FormatVersion.refuseLater(path, MARK, NEWEST, text);
        try {
            String[] lines = text.split("\n");
            String mode = value(lines[1], "mode ");
            Location found =
                    new Location(
                            mode.equals(LocationMode.DELETING.toString())
                                    ? LocationMode.DELETING
                                    : LocationMode.parse(mode),
                            Integer.parseInt(value(lines[2], "generation ")),
                            value(lines[3], "warm ").equals("yes"));
            if (found.text().equals(text)) {
                return found;
            }
        } catch (PageserverException
                | Check.Failed
                | IllegalArgumentException
                | IndexOutOfBoundsException e) {
            throw damaged(path, text, e);
        }
        throw damaged(path, text, null);
    }

    private static String value(String line, String name) {
        return line.startsWith(name) ? line.substring(name.length()) : "";
    }

    private static PageserverException damaged(
            String path, String text, @Nullable RuntimeException cause) {
        String message =
                path
                        + ": expected a mode, a generation and their checksum, found "
                        + text.length()
                        + " characters that are not that; say again by location_config what this server is to the tenant";
        return cause == null
                ? PageserverException.corruption("%s", message)
                : new PageserverException(ErrorCode.CORRUPTION, message, cause);
    }

    /** Deletes all that is here of a tenant; the word that it is detached goes last. */
    static void deleteTenant(Disk disk, TenantShardId tenant) {
        String directory = directory(tenant);
        for (String name : disk.list(directory)) {
            if (!name.equals(FILE)) {
                disk.deleteTree(directory + "/" + name);
                disk.delete(directory + "/" + name);
            }
        }
        if (disk.exists(directory)) {
            disk.syncDirectory(directory);
            disk.deleteTree(directory);
            disk.syncDirectory(TimelineStore.ROOT);
        }
    }
}
