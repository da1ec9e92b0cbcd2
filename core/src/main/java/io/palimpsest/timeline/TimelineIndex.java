package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Disk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The one file that names a timeline's layers: replacing it, atomically, is the commit. Text, one
 * fact a line, the last line a checksum of all bytes before it; docs/formats.md has an example.
 *
 * @param origin whose WAL the history is made of
 * @param systemIdentifier of the Postgres cluster the history comes from
 * @param segmentSize of its WAL, bytes
 * @param walTimeline Postgres's timeline id the WAL is on
 * @param ancestor what this branched off, at {@code ancestorLsn}
 * @param oldestReadableLsn reads and branches below are refused
 * @param diskConsistentLsn everything up to it is in the layers
 * @param prevRecordLsn start of the record that ends at diskConsistentLsn, 0 if unknown
 */
record TimelineIndex(
        TenantShardId tenant,
        TimelineId timeline,
        Generation generation,
        PgVersion version,
        WalOrigin origin,
        long systemIdentifier,
        int segmentSize,
        int walTimeline,
        @Nullable Ancestor ancestor,
        long oldestReadableLsn,
        long diskConsistentLsn,
        long prevRecordLsn,
        List<LayerDescriptor> layers) {
    static final String FILE = "index";

    /** Files that are being written end so: a crash leaves them, and nobody needs them. */
    static final String TEMPORARY_SUFFIX = ".___temp";

    private static final String TEMPORARY = FILE + TEMPORARY_SUFFIX;
    private static final String COMPLETE = " complete";
    private static final String MAGIC = "palimpsest timeline index 1";

    /** Where a branch hangs. */
    record Ancestor(TimelineId timeline, long lsn) {}

    TimelineIndex {
        layers = List.copyOf(layers);
    }

    TimelineIndex withLayers(
            List<LayerDescriptor> newLayers, long newDiskConsistentLsn, long newPrevRecordLsn) {
        List<LayerDescriptor> sorted = new ArrayList<>(newLayers);
        sorted.sort(Comparator.comparing(l -> l.name().toString()));
        return new TimelineIndex(
                tenant,
                timeline,
                generation,
                version,
                origin,
                systemIdentifier,
                segmentSize,
                walTimeline,
                ancestor,
                oldestReadableLsn,
                newDiskConsistentLsn,
                newPrevRecordLsn,
                sorted);
    }

    TimelineIndex readable(long newOldestReadableLsn, int newWalTimeline) {
        return new TimelineIndex(
                tenant,
                timeline,
                generation,
                version,
                origin,
                systemIdentifier,
                segmentSize,
                newWalTimeline,
                ancestor,
                newOldestReadableLsn,
                diskConsistentLsn,
                prevRecordLsn,
                layers);
    }

    /**
     * Makes this the directory's index, durably. All layers it names must be durable, names
     * included.
     */
    void commit(Disk disk, String directory) {
        byte[] text = encode();
        String temporary = directory + "/" + TEMPORARY;
        disk.delete(temporary);
        try (Disk.Output out = disk.create(temporary)) {
            out.append(text, 0, text.length);
            out.sync();
        }
        disk.rename(temporary, directory + "/" + FILE);
        disk.syncDirectory(directory);
    }

    static TimelineIndex read(Disk disk, String directory) {
        String path = directory + "/" + FILE;
        byte[] text;
        try (Disk.Input in = disk.open(path)) {
            if (in.size() > 1 << 30) {
                throw PageserverException.corruption(
                        "%s: %d bytes, an index is smaller", path, in.size());
            }
            text = new byte[(int) in.size()];
            in.read(0, text, 0, text.length);
        }
        return decode(text, path);
    }

    byte[] encode() {
        StringBuilder s = new StringBuilder(256 + layers.size() * 140);
        s.append(MAGIC).append('\n');
        line(s, "tenant", tenant);
        line(s, "timeline", timeline);
        line(s, "generation", generation);
        line(s, "postgres", version.major());
        line(s, "origin", origin);
        line(s, "system_identifier", Long.toUnsignedString(systemIdentifier));
        line(s, "segment_size", segmentSize);
        line(s, "wal_timeline", walTimeline);
        line(
                s,
                "ancestor",
                ancestor == null ? "none" : ancestor.timeline + " " + Lsn.toString(ancestor.lsn));
        line(s, "oldest_readable_lsn", Lsn.toString(oldestReadableLsn));
        line(s, "disk_consistent_lsn", Lsn.toString(diskConsistentLsn));
        line(s, "prev_record_lsn", Lsn.toString(prevRecordLsn));
        for (LayerDescriptor l : layers) {
            line(s, "layer", l.name() + " " + l.size() + (l.complete() ? COMPLETE : ""));
        }
        byte[] body = s.toString().getBytes(StandardCharsets.UTF_8);
        line(s, "crc32c", checksum(body, body.length));
        return s.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void line(StringBuilder s, String name, Object value) {
        s.append(name).append(' ').append(value).append('\n');
    }

    private static String checksum(byte[] b, int length) {
        CRC32C crc = new CRC32C();
        crc.update(b, 0, length);
        return String.format(Locale.ROOT, "%08x", crc.getValue());
    }

    static TimelineIndex decode(byte[] bytes, String path) {
        try {
            return parse(bytes, path);
        } catch (PageserverException e) {
            throw e.code() == ErrorCode.CORRUPTION
                    ? e
                    : new PageserverException(
                            ErrorCode.CORRUPTION, path + ": " + e.getMessage(), e);
        } catch (NumberFormatException | IndexOutOfBoundsException e) {
            throw new PageserverException(
                    ErrorCode.CORRUPTION, path + ": a line is not as expected: " + e, e);
        }
    }

    private static TimelineIndex parse(byte[] bytes, String path) {
        // One char a byte, whatever the bytes are: positions in one are positions in the other.
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        int last = text.lastIndexOf("crc32c ");
        if (last < 0 || !text.endsWith("\n")) {
            throw PageserverException.corruption(
                    "%s: no checksum in the last line: the file is torn", path);
        }
        String found = text.substring(last + 7, text.length() - 1);
        String expected = checksum(bytes, last);
        if (!found.equals(expected)) {
            throw PageserverException.corruption(
                    "%s: checksum is %s, expected %s", path, found, expected);
        }
        Lines lines = new Lines(text.substring(0, last).split("\n"), path);
        if (!lines.next().equals(MAGIC)) {
            throw PageserverException.corruption(
                    "%s: expected '%s' in the first line: another format version?", path, MAGIC);
        }
        TenantShardId tenant = TenantShardId.parse(lines.value("tenant"));
        TimelineId timeline = TimelineId.parse(lines.value("timeline"));
        Generation generation =
                new Generation(Integer.parseUnsignedInt(lines.value("generation"), 16));
        PgVersion version = PgVersion.ofMajor(Integer.parseInt(lines.value("postgres")));
        WalOrigin origin = lines.origin();
        long system = Long.parseUnsignedLong(lines.value("system_identifier"));
        int segmentSize = Integer.parseInt(lines.value("segment_size"));
        int walTimeline = Integer.parseInt(lines.value("wal_timeline"));
        String[] a = lines.value("ancestor").split(" ");
        Ancestor ancestor =
                a.length == 2
                        ? new Ancestor(TimelineId.parse(a[0]), Lsn.parse(a[1]).value())
                        : null;
        long readable = Lsn.parse(lines.value("oldest_readable_lsn")).value();
        long disk = Lsn.parse(lines.value("disk_consistent_lsn")).value();
        long prev = Lsn.parse(lines.value("prev_record_lsn")).value();
        List<LayerDescriptor> layers = new ArrayList<>();
        while (lines.more()) {
            layers.add(lines.layer());
        }
        return new TimelineIndex(
                tenant,
                timeline,
                generation,
                version,
                origin,
                system,
                segmentSize,
                walTimeline,
                ancestor,
                readable,
                disk,
                prev,
                layers);
    }

    /**
     * The lines, one after the other; the checksum has been right, so a surprise is a format error.
     */
    private static final class Lines {
        private final String[] lines;
        private final String path;
        private int at;

        Lines(String[] lines, String path) {
            this.lines = lines;
            this.path = path;
        }

        boolean more() {
            return at < lines.length;
        }

        String next() {
            return at < lines.length ? lines[at++] : "";
        }

        WalOrigin origin() {
            String value = value("origin");
            return switch (value) {
                case "stock" -> WalOrigin.STOCK;
                case "neon" -> WalOrigin.NEON;
                default ->
                        throw PageserverException.corruption(
                                "%s line %d: expected 'origin stock' or 'origin neon', found '%s'",
                                path, at, value);
            };
        }

        LayerDescriptor layer() {
            String value = value("layer");
            boolean complete = value.endsWith(COMPLETE);
            String[] l = value.split(" ");
            if (l.length != (complete ? 3 : 2)) {
                throw PageserverException.corruption(
                        "%s line %d: expected 'layer <name> <bytes>[ complete]', found '%s'",
                        path, at, value);
            }
            return new LayerDescriptor(LayerName.parse(l[0]), Long.parseLong(l[1]), complete);
        }

        String value(String name) {
            String line = next();
            if (!line.startsWith(name + " ")) {
                throw PageserverException.corruption(
                        "%s line %d: expected '%s ...', found '%s'", path, at, name, line);
            }
            return line.substring(name.length() + 1);
        }
    }
}
