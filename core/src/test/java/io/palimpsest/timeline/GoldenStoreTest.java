package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.GoldenStore;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.Collected;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.MemoryDisk;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.value.Keys;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Stores of every released version are read, and mean what they meant. */
class GoldenStoreTest {
    private static final String TIMELINES = "tenants/" + GoldenStoreWriter.TENANT + "/timelines/";

    private final BlockCache cache = new BlockCache(Limits.DEFAULT);

    /** The directory of timelines as a disk. */
    private static MemoryDisk disk(int version) {
        MemoryDisk disk = new MemoryDisk();
        for (String path : GoldenStore.files(version)) {
            assertTrue(path.startsWith(TIMELINES), path);
            disk.files.put(path.substring(TIMELINES.length()), GoldenStore.read(version, path));
        }
        return disk;
    }

    @Test
    void versionOneIsReadAsItWasMeant() {
        MemoryDisk disk = disk(1);
        TreeMap<TimelineId, StoredTimeline> timelines = new TreeMap<>();
        List<String> expected = GoldenStore.expected(1);
        assertTrue(expected.size() > 1000, expected.size() + " values");
        for (String line : expected) {
            String[] part = line.split(" ", -1);
            TimelineId id = TimelineId.parse(part[0]);
            StoredTimeline timeline =
                    timelines.computeIfAbsent(id, i -> StoredTimeline.read(disk, i.toString()));
            assertEquals(
                    part[3], read(timeline, Key.parse(part[1]), Lsn.parse(part[2]).value()), line);
        }
        assertEquals(3, timelines.size());
    }

    private String read(StoredTimeline timeline, Key key, long lsn) {
        Reconstruction r = new Reconstruction();
        r.reset(key.hi(), key.mid(), key.lo(), lsn);
        boolean complete = timeline.collect(r, cache) == Collected.COMPLETE;
        if (!complete) {
            assertEquals(0, r.count());
            return "absent";
        }
        if (!Keys.isPage(key.hi())) {
            return r.length(0) == 1
                    ? "absent"
                    : GoldenStoreWriter.checksum(
                            Arrays.copyOfRange(
                                    r.bytes(), r.offset(0) + 1, r.offset(0) + r.length(0)));
        }
        byte[] page = new byte[Page.SIZE];
        PageRedo redo = new PageRedo(timeline.redoContext(cache));
        for (int i = r.count() - 1; i >= 0; i--) {
            redo.apply(page, r.bytes(), r.offset(i), r.length(i), r.lsn(i));
        }
        return GoldenStoreWriter.checksum(page);
    }

    /** That it holds what a golden store is for, so that it cannot become one that tests little. */
    @Test
    void versionOneHasEveryKindOfLayerAndBlock() {
        MemoryDisk disk = disk(1);
        TreeSet<String> seen = new TreeSet<>();
        for (TimelineId id :
                List.of(
                        GoldenStoreWriter.ROOT,
                        GoldenStoreWriter.BRANCH,
                        GoldenStoreWriter.DETACHED)) {
            StoredTimeline timeline = StoredTimeline.read(disk, id.toString());
            for (LayerDescriptor layer : timeline.layers()) {
                try (LayerFile file = timeline.file(layer, cache)) {
                    file.verify();
                    seen.add(
                            layer.name().image()
                                    ? layer.complete() ? "complete" : "partial"
                                    : layer.name().isL0() ? "L0" : "L1");
                    if (file.statistics().tombstones() > 0) {
                        seen.add("tombstone");
                    }
                }
                byte[] b = disk.files.get(id + "/" + layer.name());
                long end = Bytes.i64(b, b.length - 256);
                for (int at = 80; at < end; at += 16 + Bytes.i32(b, at + 4)) {
                    seen.add("codec " + Bytes.u8(b, at + 12));
                }
            }
            if (!timeline.leases().isEmpty()) {
                seen.add("lease");
            }
        }
        assertEquals(
                List.of(
                        "L0",
                        "L1",
                        "codec 0",
                        "codec 1",
                        "codec 2",
                        "complete",
                        "lease",
                        "partial",
                        "tombstone"),
                List.copyOf(seen));
    }
}
