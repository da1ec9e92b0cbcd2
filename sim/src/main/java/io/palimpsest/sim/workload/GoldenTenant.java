package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Disk;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.SimObjectStore;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/**
 * A tenant as a released version has left it: a page server's disk, an object store, and what
 * reading of it gives. Every later version must go on with it. {@code golden/tenant-v1.gz} was
 * written by the code of the first version ({@code GoldenTenantWriter} of the tests) and is never
 * written again; docs/formats.md says what is in it.
 */
public final class GoldenTenant {
    private static final String DISK = "disk/";
    private static final String STORE = "store/";

    /**
     * A timeline of it.
     *
     * @param from the timeline whose pages it has up to {@code fromLsn}; null: none
     * @param last its end
     */
    public record Line(TimelineId id, @Nullable TimelineId from, long fromLsn, long last) {}

    /** An LSN that stays readable for a while, or as long as a point is pinned. */
    public record Held(TimelineId timeline, long lsn, long untilMillis, @Nullable Label point) {}

    /** Unpacked once. */
    private static final class First {
        static final GoldenTenant V1 = new GoldenTenant(unpack("/golden/tenant-v1.gz"));
    }

    private final SortedMap<String, byte[]> files;
    private final List<Line> lines = new ArrayList<>();
    private final List<Held> held = new ArrayList<>();
    private final TreeMap<TimelineId, Label> names = new TreeMap<>();
    private int postgres;
    private WalWorkload.Counters counters = new WalWorkload.Counters(0, 0, 0);

    private GoldenTenant(SortedMap<String, byte[]> files) {
        this.files = files;
        for (String fact : text("facts.txt")) {
            String[] f = fact.split(" ", -1);
            switch (f[0]) {
                case "postgres" -> postgres = Integer.parseInt(f[1]);
                case "next" ->
                        counters =
                                new WalWorkload.Counters(
                                        Integer.parseInt(f[1]),
                                        Integer.parseInt(f[2]),
                                        Lsn.parse(f[3]).value());
                case "timeline" ->
                        lines.add(
                                new Line(
                                        TimelineId.parse(f[1]),
                                        f[2].equals("none") ? null : TimelineId.parse(f[2]),
                                        Lsn.parse(f[3]).value(),
                                        Lsn.parse(f[4]).value()));
                case "lease" ->
                        held.add(
                                new Held(
                                        TimelineId.parse(f[1]),
                                        Lsn.parse(f[2]).value(),
                                        Long.parseLong(f[3]),
                                        null));
                case "pin" ->
                        held.add(
                                new Held(
                                        TimelineId.parse(f[1]),
                                        Lsn.parse(f[2]).value(),
                                        Long.MAX_VALUE,
                                        new Label(f[3])));
                case "name" -> names.put(TimelineId.parse(f[1]), new Label(f[2]));
                default -> throw new IllegalStateException("a fact of a golden tenant: " + fact);
            }
        }
    }

    /** That of the first version. */
    public static GoldenTenant first() {
        return First.V1;
    }

    /** Files with their paths; what is there twice is packed once. See the writer. */
    private static SortedMap<String, byte[]> unpack(String resource) {
        TreeMap<String, byte[]> files = new TreeMap<>();
        try (InputStream in = GoldenTenant.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("no resource " + resource);
            }
            DataInputStream data =
                    new DataInputStream(new BufferedInputStream(new GZIPInputStream(in)));
            List<byte[]> contents = new ArrayList<>();
            for (int left = data.readInt(); left > 0; left--) {
                String path = data.readUTF();
                int length = data.readInt();
                if (length >= 0) {
                    contents.add(data.readNBytes(length));
                }
                files.put(path, length >= 0 ? contents.getLast() : contents.get(-1 - length));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return files;
    }

    private List<String> text(String path) {
        return new String(Objects.requireNonNull(files.get(path), path), StandardCharsets.UTF_8)
                .lines()
                .toList();
    }

    /** Lines "timeline key LSN checksum": what reading gives, worked out by the reference. */
    public List<String> expected() {
        return text("expected.txt");
    }

    /** What was on the disk, by path. */
    public SortedMap<String, byte[]> disk() {
        return below(DISK);
    }

    /** What was in the store, by key. */
    public SortedMap<String, byte[]> store() {
        return below(STORE);
    }

    private SortedMap<String, byte[]> below(String directory) {
        TreeMap<String, byte[]> found = new TreeMap<>();
        files.tailMap(directory)
                .forEach((path, bytes) -> {
                    if (path.startsWith(directory)) {
                        found.put(path.substring(directory.length()), bytes);
                    }
                });
        return found;
    }

    public List<Line> lines() {
        return lines;
    }

    Line line(TimelineId id) {
        return lines.stream().filter(line -> line.id().equals(id)).findFirst().orElseThrow();
    }

    public List<Held> held() {
        return held;
    }

    /** What timelines were called, by id. */
    SortedMap<TimelineId, Label> names() {
        return names;
    }

    PgVersion version() {
        return PgVersion.ofMajor(postgres);
    }

    WalWorkload.Counters counters() {
        return counters;
    }

    /** What each timeline was, by id; the caller's own. */
    Map<TimelineId, ReferencePageserver> references() {
        TreeMap<TimelineId, ReferencePageserver> found = new TreeMap<>();
        for (Line line : lines) {
            ReferencePageserver from = line.from() == null ? null : found.get(line.from());
            ReferencePageserver reference =
                    from == null ? new ReferencePageserver() : from.branch(line.fromLsn());
            byte[] own = files.get("reference/" + line.id());
            if (own != null) {
                reference.load(own);
            }
            found.put(line.id(), reference);
        }
        return found;
    }

    /** All that was in the store is there again. */
    void fill(SimObjectStore into) {
        store().forEach(into::fill);
    }

    /** All that was on the disk is there again, durably. */
    void fill(Disk into) {
        disk().forEach((path, bytes) -> {
            String directory = path.substring(0, path.lastIndexOf('/'));
            into.createDirectories(directory);
            try (Disk.Output out = into.create(path)) {
                out.append(bytes, 0, bytes.length);
                out.sync();
            }
            into.syncDirectory(directory);
        });
        Check.that(!into.list("tenants").isEmpty(), "nothing on the golden disk");
    }
}
