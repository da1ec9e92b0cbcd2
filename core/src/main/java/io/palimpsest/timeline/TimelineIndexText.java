package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.FormatVersion;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.timeline.TimelineIndex.Ancestor;
import io.palimpsest.timeline.TimelineIndex.Identity;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The text of an index: one fact a line, the last line a checksum of all bytes before it.
 * docs/formats.md has an example.
 */
final class TimelineIndexText {
    private static final String COMPLETE = " complete";
    private static final String MAGIC = "palimpsest timeline index 1";

    /**
     * What has properties, or WAL of more than one timeline: a server that does not know them must
     * not write them away.
     */
    private static final String MAGIC_2 = "palimpsest timeline index 2";

    /** What has a pinned point with an end, which would be kept for ever without it. */
    private static final String MAGIC_3 = "palimpsest timeline index 3";

    private TimelineIndexText() {}

    static byte[] encode(TimelineIndex index) {
        Identity id = index.identity();
        Ancestor ancestor = index.ancestor();
        StringBuilder s = new StringBuilder(512 + index.layers().size() * 140);
        BranchProperties properties = index.properties();
        boolean second = !properties.equals(BranchProperties.NONE) || !id.wal().past().isEmpty();
        boolean third = properties.firstPinEndMillis() != 0;
        s.append(third ? MAGIC_3 : second ? MAGIC_2 : MAGIC).append('\n');
        line(s, "tenant", id.tenant());
        line(s, "timeline", id.timeline());
        line(s, "generation", id.generation());
        line(s, "postgres", id.version().major());
        line(s, "origin", id.origin());
        line(s, "system_identifier", Long.toUnsignedString(id.systemIdentifier()));
        line(s, "segment_size", id.segmentSize());
        line(s, "wal_timeline", Integer.toUnsignedString(id.walTimeline()));
        for (WalHistory.Ended e : id.wal().past()) {
            line(
                    s,
                    "wal_timeline_ended",
                    Integer.toUnsignedString(e.timelineId()) + " " + Lsn.toString(e.lsn()));
        }
        line(
                s,
                "ancestor",
                ancestor == null
                        ? "none"
                        : ancestor.timeline() + " " + Lsn.toString(ancestor.lsn()));
        for (long lsn : index.adopted()) {
            line(s, "adopted", Lsn.toString(lsn));
        }
        line(
                s,
                "state",
                switch (index.state()) {
                    case TimelineState.Active _ -> "active";
                    case TimelineState.Archived archived -> "archived " + archived.sinceMillis();
                    case TimelineState.Deleting _ -> "deleting";
                });
        properties(s, properties);
        line(s, "oldest_readable_lsn", Lsn.toString(index.oldestReadableLsn()));
        for (Lease lease : index.leases()) {
            line(s, "lease", Lsn.toString(lease.lsn()) + " " + lease.validUntilMillis());
        }
        line(s, "disk_consistent_lsn", Lsn.toString(index.diskConsistentLsn()));
        line(s, "prev_record_lsn", Lsn.toString(index.prevRecordLsn()));
        for (LayerDescriptor l : index.layers()) {
            line(s, "layer", l.name() + " " + l.size() + (l.complete() ? COMPLETE : ""));
        }
        for (LayerName name : index.removed()) {
            line(s, "removed", name);
        }
        byte[] body = s.toString().getBytes(StandardCharsets.UTF_8);
        line(s, "crc32c", TextChecksum.of(body, body.length));
        return s.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void properties(StringBuilder s, BranchProperties properties) {
        BranchProperties.Title title = properties.title();
        if (title != null) {
            line(s, "name", title.since() + " " + title.label());
        }
        if (properties.isProtected()) {
            line(s, "protected", "yes");
        }
        if (properties.expiresMillis() != 0) {
            line(s, "expires", properties.expiresMillis());
        }
        for (NamedPoint p : properties.points()) {
            line(
                    s,
                    "point",
                    Lsn.toString(p.lsn())
                            + " "
                            + p.createdMillis()
                            + (p.pinned() ? " pinned " : " free ")
                            + p.name());
            if (p.keptUntilMillis() != 0) {
                line(s, "keep", p.keptUntilMillis());
            }
        }
    }

    private static void line(StringBuilder s, String name, Object value) {
        s.append(name).append(' ').append(value).append('\n');
    }

    /**
     * CORRUPTION, naming {@code path}, if the bytes are anything but what {@link #encode} makes.
     */
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
                    "%s: expected a checksum in the last line, found none in %d bytes: the file is torn",
                    path, bytes.length);
        }
        String found = text.substring(last + 7, text.length() - 1);
        String expected = TextChecksum.of(bytes, last);
        if (!found.equals(expected)) {
            throw PageserverException.corruption(
                    "%s: expected the checksum %s of the %d bytes before it, found %.8s",
                    path, expected, last, found);
        }
        Lines lines = new Lines(text.substring(0, last).split("\n"), path);
        String magic = lines.next();
        FormatVersion.refuseLater(path, "palimpsest timeline index ", 3, magic);
        boolean third = magic.equals(MAGIC_3);
        boolean second = third || magic.equals(MAGIC_2);
        if (!second && !magic.equals(MAGIC)) {
            throw PageserverException.corruption(
                    "%s: expected '%s', '%s' or '%s' in the first line, found '%s'",
                    path, MAGIC, MAGIC_2, MAGIC_3, magic);
        }
        Identity identity =
                new Identity(
                        TenantShardId.parse(lines.value("tenant")),
                        TimelineId.parse(lines.value("timeline")),
                        new Generation(Integer.parseUnsignedInt(lines.value("generation"), 16)),
                        PgVersion.ofMajor(Integer.parseInt(lines.value("postgres"))),
                        lines.origin(),
                        Long.parseUnsignedLong(lines.value("system_identifier")),
                        Integer.parseInt(lines.value("segment_size")),
                        lines.walHistory());
        Ancestor ancestor = lines.ancestor();
        List<Long> adopted = lines.adopted();
        TimelineState state = lines.state();
        BranchProperties properties =
                second ? lines.properties(identity.wal().past().isEmpty()) : BranchProperties.NONE;
        if (third != (properties.firstPinEndMillis() != 0)) {
            throw lines.wrong(third ? "keep" : "no keep in this version", magic);
        }
        long readable = lines.lsn("oldest_readable_lsn");
        List<Lease> leases = lines.leases();
        long disk = lines.lsn("disk_consistent_lsn");
        long prev = lines.lsn("prev_record_lsn");
        List<LayerDescriptor> layers = lines.layers(disk);
        List<LayerName> removed = lines.removed();
        return new TimelineIndex(
                identity,
                ancestor,
                adopted,
                state,
                properties,
                readable,
                leases,
                disk,
                prev,
                layers,
                removed);
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

        String next() {
            return at < lines.length ? lines[at++] : "";
        }

        /** Is there another line, and of this name? */
        boolean more(String name) {
            return at < lines.length && lines[at].startsWith(name + " ");
        }

        String value(String name) {
            String line = next();
            if (!line.startsWith(name + " ")) {
                throw wrong(name + " ...", line);
            }
            return line.substring(name.length() + 1);
        }

        private PageserverException wrong(String expected, String found) {
            return PageserverException.corruption(
                    "%s line %d: expected '%s', found '%s'", path, at, expected, found);
        }

        long lsn(String name) {
            return Lsn.parse(value(name)).value();
        }

        WalOrigin origin() {
            String value = value("origin");
            return switch (value) {
                case "stock" -> WalOrigin.STOCK;
                case "neon" -> WalOrigin.NEON;
                default -> throw wrong("origin stock' or 'origin neon", value);
            };
        }

        @Nullable Ancestor ancestor() {
            String value = value("ancestor");
            String[] a = value.split(" ");
            if (a.length == 2) {
                return new Ancestor(TimelineId.parse(a[0]), Lsn.parse(a[1]).value());
            }
            if (!value.equals("none")) {
                throw wrong("ancestor none' or 'ancestor <timeline> <LSN>", value);
            }
            return null;
        }

        List<Long> adopted() {
            List<Long> found = new ArrayList<>();
            while (more("adopted")) {
                long lsn = lsn("adopted");
                if (!found.isEmpty() && Long.compareUnsigned(found.getLast(), lsn) >= 0) {
                    throw wrong("adopted, above the one before", Lsn.toString(lsn));
                }
                found.add(lsn);
            }
            return found;
        }

        TimelineState state() {
            String value = value("state");
            if (value.startsWith("archived ")) {
                return new TimelineState.Archived(Long.parseLong(value.substring(9)));
            }
            return switch (value) {
                case "active" -> TimelineState.ACTIVE;
                case "deleting" -> TimelineState.DELETING;
                default ->
                        throw wrong(
                                "state active', 'state archived <ms>' or 'state deleting", value);
            };
        }

        WalHistory walHistory() {
            int current = Integer.parseUnsignedInt(value("wal_timeline"));
            List<WalHistory.Ended> past = new ArrayList<>(0);
            while (more("wal_timeline_ended")) {
                String value = value("wal_timeline_ended");
                String[] e = value.split(" ");
                past.add(
                        new WalHistory.Ended(
                                Integer.parseUnsignedInt(e[0]), Lsn.parse(e[1]).value()));
                if (e.length != 2 || !WalHistory.isHistory(current, past)) {
                    throw wrong("wal_timeline_ended <number> <LSN>, ascending", value);
                }
            }
            return new WalHistory(current, past);
        }

        BranchProperties properties(boolean needed) {
            BranchProperties.Title title = null;
            if (more("name")) {
                String value = value("name");
                int space = value.indexOf(' ');
                title =
                        new BranchProperties.Title(
                                new Label(value.substring(space + 1)),
                                Long.parseLong(value.substring(0, space)));
            }
            boolean isProtected = more("protected");
            if (isProtected && !value("protected").equals("yes")) {
                throw wrong("protected yes", lines[at - 1]);
            }
            long expires = more("expires") ? Long.parseLong(value("expires")) : 0;
            List<NamedPoint> points = points();
            BranchProperties found = new BranchProperties(title, isProtected, expires, points);
            if (needed && found.equals(BranchProperties.NONE)) {
                throw wrong("wal_timeline_ended, name, protected, expires or point", next());
            }
            return found;
        }

        private List<NamedPoint> points() {
            List<NamedPoint> found = new ArrayList<>(0);
            TreeSet<Label> names = new TreeSet<>();
            while (more("point")) {
                String value = value("point");
                String[] p = value.split(" ");
                boolean pinned = p.length == 4 && p[2].equals("pinned");
                if (p.length != 4 || !pinned && !p[2].equals("free")) {
                    throw wrong("point <LSN> <ms> pinned|free <name>", value);
                }
                NamedPoint point =
                        new NamedPoint(
                                new Label(p[3]),
                                Lsn.parse(p[0]).value(),
                                Long.parseLong(p[1]),
                                pinned,
                                pinned && more("keep") ? kept() : 0);
                boolean inOrder =
                        found.isEmpty() || NamedPoint.ORDER.compare(found.getLast(), point) < 0;
                if (!names.add(point.name()) || !inOrder) {
                    throw wrong("point, LSNs ascending, each name once", value);
                }
                found.add(point);
            }
            return found;
        }

        private long kept() {
            String value = value("keep");
            long until = Long.parseLong(value);
            if (until <= 0) {
                throw wrong("keep <ms since 1970>", value);
            }
            return until;
        }

        List<Lease> leases() {
            List<Lease> found = new ArrayList<>();
            while (more("lease")) {
                String value = value("lease");
                String[] l = value.split(" ");
                long lsn = Lsn.parse(l[0]).value();
                boolean inOrder =
                        found.isEmpty() || Long.compareUnsigned(found.getLast().lsn(), lsn) < 0;
                if (l.length != 2 || !inOrder) {
                    throw wrong("lease <LSN> <ms>, LSNs ascending", value);
                }
                found.add(new Lease(lsn, Long.parseLong(l[1])));
            }
            return found;
        }

        List<LayerDescriptor> layers(long diskConsistentLsn) {
            List<LayerDescriptor> found = new ArrayList<>(lines.length - at);
            while (more("layer")) {
                LayerDescriptor layer = layer();
                if (Long.compareUnsigned(layer.name().startLsn(), diskConsistentLsn) > 0) {
                    throw wrong(
                            "layer that starts at or below " + Lsn.toString(diskConsistentLsn),
                            layer.name().toString());
                }
                if (!found.isEmpty() && TimelineIndex.ORDER.compare(found.getLast(), layer) >= 0) {
                    throw wrong("layer, names ascending", layer.name().toString());
                }
                found.add(layer);
            }
            return found;
        }

        /** All that is left. */
        List<LayerName> removed() {
            List<LayerName> found = new ArrayList<>(0);
            while (at < lines.length) {
                LayerName name = LayerName.parse(value("removed"));
                if (!found.isEmpty() && TimelineIndex.BY_NAME.compare(found.getLast(), name) >= 0) {
                    throw wrong("removed, names ascending", name.toString());
                }
                found.add(name);
            }
            return found;
        }

        private LayerDescriptor layer() {
            String value = value("layer");
            boolean complete = value.endsWith(COMPLETE);
            String[] l = value.split(" ");
            if (l.length != (complete ? 3 : 2)) {
                throw wrong("layer <name> <bytes>[ complete]", value);
            }
            LayerName name = LayerName.parse(l[0]);
            long size = Long.parseLong(l[1]);
            if (size < 0 || complete && !name.image()) {
                throw wrong("layer of an image that is complete, or of a size", value);
            }
            return new LayerDescriptor(name, size, complete);
        }
    }
}
