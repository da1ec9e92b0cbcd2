package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.Collected;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import io.palimpsest.port.Disk;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.remote.Heatmap;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.workload.GoldenTenant;
import io.palimpsest.sim.world.Simulation;
import java.nio.charset.StandardCharsets;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/**
 * The golden tenant of the first version, file by file: each kind opens, means what it meant, and
 * is refused where it says a version of tomorrow. That servers go on with it is the scenario
 * 'upgrade'.
 */
class GoldenTenantTest {
    private static final GoldenTenant GOLDEN = GoldenTenant.first();
    private static final String TIMELINES = "/timelines/";

    private final BlockCache cache = new BlockCache(Limits.DEFAULT);

    /** What is done with the files of a machine's disk. */
    private interface Look {
        void at(Disk disk);
    }

    private record Run(SortedMap<String, byte[]> files, Look look) implements OneMachine {
        @Override
        public String name() {
            return "golden-tenant";
        }

        @Override
        public void onMachine(Machine machine) {
            files.forEach((path, bytes) -> write(machine.files(), path, bytes));
            look.at(machine.files());
        }
    }

    private static void withFiles(SortedMap<String, byte[]> files, Look look) {
        Simulation.run(new Run(files, look), 1).check();
    }

    private static void write(Disk disk, String path, byte[] bytes) {
        disk.createDirectories(path.substring(0, path.lastIndexOf('/')));
        disk.delete(path);
        try (Disk.Output out = disk.create(path)) {
            out.append(bytes, 0, bytes.length);
            out.sync();
        }
    }

    /** What the newest indexes in the store name, as if it were on a disk. */
    private static SortedMap<String, byte[]> storeAsDisk() {
        TreeMap<String, byte[]> files = new TreeMap<>();
        GOLDEN.store()
                .forEach((key, bytes) -> {
                    switch (RemoteKey.of(key)) {
                        case RemoteKey.Layer _ -> files.put(key, bytes);
                        case RemoteKey.Index _ ->
                                files.put(key.substring(0, key.lastIndexOf('/')) + "/index", bytes);
                        default -> {}
                    }
                });
        return files;
    }

    @Test
    void theDiskOfThenIsReadAsItWasMeant() {
        withFiles(timelines(GOLDEN.disk()), this::readAll);
    }

    @Test
    void theStoreOfThenIsReadAsItWasMeant() {
        withFiles(timelines(storeAsDisk()), this::readAll);
    }

    /** The directory of timelines as a disk. */
    private static SortedMap<String, byte[]> timelines(SortedMap<String, byte[]> files) {
        TreeMap<String, byte[]> below = new TreeMap<>();
        files.forEach((path, bytes) -> {
            int at = path.indexOf(TIMELINES);
            if (at >= 0) {
                below.put(path.substring(at + TIMELINES.length()), bytes);
            }
        });
        return below;
    }

    private void readAll(Disk disk) {
        TreeMap<TimelineId, StoredTimeline> timelines = new TreeMap<>();
        for (String line : GOLDEN.expected()) {
            String[] part = line.split(" ", -1);
            StoredTimeline timeline =
                    timelines.computeIfAbsent(
                            TimelineId.parse(part[0]),
                            id -> StoredTimeline.read(disk, id.toString()));
            String sum = sum(timeline, Key.parse(part[1]), Lsn.parse(part[2]).value());
            assertEquals(part[3], sum, line);
        }
        assertTrue(GOLDEN.expected().size() > 50, GOLDEN.expected().size() + " pages");
        assertEquals(4, timelines.size());
        for (StoredTimeline timeline : timelines.values()) {
            for (LayerDescriptor layer : timeline.layers()) {
                try (LayerFile file = timeline.file(layer, cache)) {
                    file.verify();
                }
            }
        }
    }

    private static String directory() {
        String first = GOLDEN.disk().firstKey();
        return first.substring(0, first.indexOf('/', first.indexOf('/') + 1));
    }

    private static TenantShardId tenant() {
        return TenantShardId.parse(directory().substring(directory().indexOf('/') + 1));
    }

    private String sum(StoredTimeline timeline, Key key, long lsn) {
        Reconstruction r = new Reconstruction();
        r.reset(key.hi(), key.mid(), key.lo(), lsn);
        byte[] page = new byte[Page.SIZE];
        if (timeline.collect(r, cache) == Collected.COMPLETE) {
            PageRedo redo = new PageRedo(timeline.redoContext(cache));
            for (int i = r.count() - 1; i >= 0; i--) {
                redo.apply(page, r.bytes(), r.offset(i), r.length(i), r.lsn(i));
            }
        }
        CRC32C crc = new CRC32C();
        crc.update(page);
        return "%08x".formatted((int) crc.getValue());
    }

    /**
     * That it holds what a golden tenant is for, so that it cannot become one that tests little.
     */
    @Test
    void itHasEveryKindOfFileAndOfLine() {
        TreeSet<String> seen = new TreeSet<>();
        GOLDEN.disk()
                .forEach((path, bytes) -> {
                    String name = path.substring(path.lastIndexOf('/') + 1);
                    String text = new String(bytes, StandardCharsets.ISO_8859_1);
                    if (path.contains("/sources/")) {
                        seen.add("source");
                    } else if (!name.contains("__")) {
                        seen.add(name.equals("index") ? text.lines().findFirst().orElse("") : name);
                    }
                    if (name.equals("index")) {
                        for (String line : text.split("\n", -1)) {
                            String[] words = line.split(" ", -1);
                            switch (words[0]) {
                                case "adopted",
                                        "name",
                                        "protected",
                                        "expires",
                                        "lease",
                                        "removed" ->
                                        seen.add(words[0]);
                                case "point" -> seen.add("point " + words[3]);
                                case "state" -> seen.add("state " + words[1]);
                                case "ancestor" -> seen.add(words.length > 2 ? "branch" : "root");
                                case "layer" -> {
                                    seen.add(words.length > 3 ? "complete image" : "delta");
                                    seen.add(
                                            "layer of "
                                                    + words[1].substring(words[1].length() - 8));
                                }
                                default -> {}
                            }
                        }
                    }
                });
        GOLDEN.store()
                .keySet()
                .forEach(key -> seen.add(RemoteKey.of(key).getClass().getSimpleName()));
        assertEquals(
                "[Hints, Index, Layer, Manifest, adopted, branch, complete image, config, delta,"
                        + " expires, generation, layer of 00000001, layer of 00000002, lease,"
                        + " location, name, palimpsest timeline index 1,"
                        + " palimpsest timeline index 2, point free, point pinned, protected,"
                        + " removed, root, source, state active, state archived]",
                seen.toString());
    }

    @Test
    void theSmallFilesOfThenMeanWhatTheyMeant() {
        TenantManifest manifest =
                TenantManifest.decode(
                        stored(RemoteKey.Manifest.class, "manifest-00000002"), "manifest-00000002");
        assertTrue(manifest.complete());
        assertEquals(5, manifest.timelines().size());
        assertEquals("config image_creation_threshold 2\n", manifest.config().lines());
        Heatmap heatmap =
                Heatmap.decode(stored(RemoteKey.Hints.class, "heatmap-v1.json"), "heatmap");
        assertEquals(2, heatmap.generation());
        assertTrue(heatmap.timelines().size() >= 3, heatmap.timelines().toString());
        withFiles(
                GOLDEN.disk(),
                disk -> {
                    assertEquals(
                            new Location(LocationMode.ATTACHED_SINGLE, 2, false),
                            Location.read(disk, tenant()));
                    LocalGeneration generation = LocalGeneration.read(disk, directory());
                    assertTrue(generation != null && generation.goesOnFrom(manifest));
                    assertEquals(manifest.config(), TenantConfigs.read(disk, directory()));
                });
    }

    private static byte[] stored(Class<? extends RemoteKey> kind, String name) {
        for (var object : GOLDEN.store().entrySet()) {
            if (kind.isInstance(RemoteKey.of(object.getKey())) && object.getKey().endsWith(name)) {
                return object.getValue();
            }
        }
        throw new AssertionError("no " + name);
    }

    // ---- versions of tomorrow ----

    @Test
    void anIndexOfALaterVersionIsRefused() {
        String path = directory() + TIMELINES + GOLDEN.lines().getFirst().id() + "/index";
        refused(
                path,
                text -> text.replaceFirst("index [12]\n", "index 4\n"),
                disk -> StoredTimeline.read(disk, path.substring(0, path.lastIndexOf('/'))),
                path,
                "'palimpsest timeline index' of format version 4",
                "understands versions 1 to 3");
    }

    @Test
    void aLocationOfALaterVersionIsRefused() {
        String path = directory() + "/location";
        refused(
                path,
                text -> text.replaceFirst("location 1", "location 3") + "more tomorrow\n",
                disk -> Location.read(disk, tenant()),
                path,
                "'palimpsest location' of format version 3",
                "understands versions 1 to 2:");
    }

    @Test
    void aGenerationOfALaterVersionIsRefused() {
        String path = directory() + "/generation";
        refused(
                path,
                text -> text.replaceFirst("generation 1", "generation 12"),
                disk -> LocalGeneration.read(disk, directory()),
                path,
                "'palimpsest generation' of format version 12",
                "understands version 1:");
    }

    @Test
    void aConfigurationOfALaterVersionIsRefused() {
        String path = directory() + "/config";
        refused(
                path,
                text -> text.replaceFirst("config 1", "config 2"),
                disk -> TenantConfigs.read(disk, directory()),
                path,
                "'palimpsest tenant config' of format version 2",
                "understands version 1:");
    }

    @Test
    void aManifestOfALaterVersionIsRefused() {
        byte[] today = stored(RemoteKey.Manifest.class, "manifest-00000002");
        byte[] tomorrow =
                signed(text(today).replaceFirst("manifest 1\n", "manifest 3\n"))
                        .getBytes(StandardCharsets.UTF_8);
        told(
                assertThrows(
                        PageserverException.class,
                        () -> TenantManifest.decode(tomorrow, "some/manifest-00000002")),
                "some/manifest-00000002",
                "'palimpsest tenant manifest' of format version 3",
                "understands versions 1 to 2:");
    }

    /** Header and footer each say a version, with a checksum that is right. */
    @Test
    void aLayerOfALaterVersionIsRefused() {
        String path =
                GOLDEN.disk().keySet().stream()
                        .filter(p -> p.contains("__"))
                        .findFirst()
                        .orElseThrow();
        for (boolean footer : new boolean[] {false, true}) {
            byte[] bytes = GOLDEN.disk().get(path).clone();
            int at = footer ? bytes.length - 256 : 0;
            int version = footer ? 236 : 8;
            int checksum = footer ? 244 : 76;
            Bytes.putU16(bytes, at + version, 2);
            CRC32C crc = new CRC32C();
            crc.update(bytes, at, checksum);
            Bytes.putI32(bytes, at + checksum, (int) crc.getValue());
            TreeMap<String, byte[]> files = new TreeMap<>(GOLDEN.disk());
            files.put(path, bytes);
            withFiles(files, disk -> refusedLayer(disk, path, at + version));
        }
    }

    private void refusedLayer(Disk disk, String path, int offset) {
        String[] parts = path.split("/", -1);
        StoredTimeline timeline =
                StoredTimeline.read(disk, directory() + TIMELINES + parts[parts.length - 2]);
        LayerDescriptor layer =
                timeline.layers().stream()
                        .filter(l -> path.endsWith("/" + l.name()))
                        .findFirst()
                        .orElseThrow();
        try (LayerFile file = timeline.file(layer, cache)) {
            told(
                    assertThrows(PageserverException.class, file::verify),
                    layer.name() + " at offset " + offset,
                    "'layer file' of format version 2",
                    "understands version 1:");
        }
    }

    /** The heatmap's version is in its name; what is added to it is passed over. */
    @Test
    void aHeatmapOfALaterVersionIsAnotherObject() {
        String text = text(stored(RemoteKey.Hints.class, "heatmap-v1.json"));
        String more = text.replaceFirst("\\{", "{\"tomorrow\":[1,2],");
        Heatmap found = Heatmap.decode(more.getBytes(StandardCharsets.UTF_8), "heatmap");
        assertEquals(Heatmap.decode(text.getBytes(StandardCharsets.UTF_8), "heatmap"), found);
        assertTrue(
                RemoteKey.of("tenants/" + tenant() + "/heatmap-v2.json")
                        instanceof RemoteKey.Foreign);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** With the checksum that it should have. */
    private static String signed(String text) {
        String body = text.substring(0, text.lastIndexOf("crc32c "));
        return body + "crc32c " + TextChecksum.of(body) + "\n";
    }

    private static void refused(
            String path, UnaryOperator<String> tomorrow, Look look, String... words) {
        TreeMap<String, byte[]> files = new TreeMap<>(GOLDEN.disk());
        String changed = tomorrow.apply(text(files.get(path)));
        String later = changed.endsWith("tomorrow\n") ? changed : signed(changed);
        files.put(path, later.getBytes(StandardCharsets.UTF_8));
        withFiles(
                files,
                disk -> told(assertThrows(PageserverException.class, () -> look.at(disk)), words));
    }

    private static void told(PageserverException e, String... words) {
        assertEquals(ErrorCode.CORRUPTION, e.code());
        for (String word : words) {
            assertTrue(String.valueOf(e.getMessage()).contains(word), e.getMessage());
        }
        assertTrue(
                String.valueOf(e.getMessage()).contains("a later version of Palimpsest"),
                e.getMessage());
    }
}
