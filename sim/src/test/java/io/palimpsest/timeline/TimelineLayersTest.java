package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.layer.DeltaLayerWriter;
import io.palimpsest.layer.LayerCursor;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Tasks;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** All that changes index and layer map, at the same time. */
class TimelineLayersTest {
    private static final int COMMITS = 250;

    /** A writer flushes, a compactor replaces, leases are granted: nobody loses what others did. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void whatOneDoesTheOtherKeeps(long seed) {
        TimelineWorld.tell(
                seed,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    Timeline root = world.create();
                    List<Long> ends = new ArrayList<>();
                    Tasks tasks = world.environment.tasks();
                    Tasks.Task writer =
                            tasks.spawn(
                                    Tasks.Lane.LATENCY, "writer", () -> write(world, root, ends));
                    Tasks.Task lessee =
                            tasks.spawn(
                                    Tasks.Lane.LATENCY,
                                    "lessee",
                                    () -> {
                                        for (int i = 0; i < 10; i++) {
                                            long lsn = TimelineWorld.START + 8 * i;
                                            root.waitFor(lsn);
                                            root.lease(lsn);
                                        }
                                    });
                    int rewritten = 0;
                    while (!writer.isDone() || rewritten < 3) {
                        rewritten += rewriteOldest(world, root) ? 1 : 0;
                        tasks.sleep(1_000_000);
                    }
                    lessee.join();
                    assertNull(root.failure());
                    root.flushUpTo(root.lastRecordLsn());
                    compare(root, ends);
                    List<LayerDescriptor> layers = root.durableLayers();
                    root.shutDown();
                    world.restart();
                    Timeline again = world.open(TimelineWorld.ROOT);
                    assertEquals(layers, again.durableLayers());
                    assertEquals(10, again.leases().size());
                    assertEquals(
                            layers.size() + 1,
                            world.environment.disk().list(again.directory()).size(),
                            "files that were replaced are gone");
                    compare(again, ends);
                    again.shutDown();
                });
    }

    private static void write(TimelineWorld world, Timeline root, List<Long> ends) {
        TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
        for (int i = 0; i < COMMITS; i++) {
            ends.add(pen.end(701 + i, true, i * 1_000_000L));
            pen.write();
        }
    }

    private static void compare(Timeline timeline, List<Long> ends) {
        assertEquals(COMMITS, ends.size());
        for (int i = 0; i < COMMITS; i++) {
            assertEquals(i * 1_000_000L, timeline.timestampByLsn(ends.get(i)).getAsLong());
        }
        int[] n = new int[1];
        timeline.latest().scan(Keys.ofKind(Keys.COMMIT_TIME), (key, content) -> n[0]++);
        assertEquals(COMMITS, n[0]);
    }

    /** The oldest L0 with as narrow a range of keys as it has; false if there is none. */
    private static boolean rewriteOldest(TimelineWorld world, Timeline root) {
        LayerDescriptor oldest = null;
        for (LayerDescriptor l : root.durableLayers()) {
            if (l.name().isL0()
                    && (oldest == null || l.name().startLsn() < oldest.name().startLsn())) {
                oldest = l;
            }
        }
        if (oldest == null) {
            return false;
        }
        LayerFile file = root.layer(oldest);
        assertTrue(file.acquire());
        Disk disk = world.environment.disk();
        String temporary = root.temporaryPath();
        KeyRange keys;
        try (Disk.Output out = disk.create(temporary)) {
            DeltaLayerWriter to =
                    new DeltaLayerWriter(
                            out, root.tenant(), root.id(), oldest.name().lsns(), world.limits);
            LayerCursor c = file.entries();
            Key first = null;
            Key last = Key.MIN;
            while (c.next()) {
                last = new Key(c.hi(), c.mid(), c.lo());
                first = first == null ? last : first;
                to.append(c.hi(), c.mid(), c.lo(), c.lsn(), c.bytes(), c.offset(), c.length());
            }
            keys = new KeyRange(first == null ? Key.MIN : first, last.next());
            long _ = to.finish(keys, oldest.name().lsns());
            out.sync();
        } finally {
            file.release();
        }
        LayerName name =
                LayerName.delta(
                        keys, oldest.name().lsns(), root.tenant(), root.index().generation());
        disk.rename(temporary, root.layerPath(name));
        disk.syncDirectory(root.directory());
        LayerFile made = LayerFile.open(disk, root.layerPath(name), name, root.cache());
        root.replaceLayers(List.of(file), List.of(made));
        PageserverException gone =
                assertThrows(PageserverException.class, () -> root.layer(file.descriptor()));
        assertEquals(ErrorCode.NOT_FOUND, gone.code());
        return true;
    }

    /** Parts of something large are files before it is committed; no index on disk names them. */
    @Test
    void anIndexNamesNothingThatIsNotCommitted() {
        Limits d = TimelineWorld.smallLimits();
        Limits limits =
                new Limits(
                        20_000,
                        1 << 20,
                        d.flushAgeNanos(),
                        d.ingestBatchRecords(),
                        d.ingestBatchBytes(),
                        d.layerBlockBytes(),
                        d.recordBytes(),
                        d.waitLsnNanos(),
                        d.blockCacheBytes(),
                        d.openLayerFiles(),
                        d.batchPages(),
                        d.chainDeltas(),
                        d.backgroundBytesPerSecond());
        TimelineWorld.tell(
                1,
                limits,
                TenantConfig.DEFAULT,
                world -> {
                    Timeline root = world.create();
                    long before = root.lastRecordLsn();
                    int layers = root.layerCount();
                    long lsn = before + 800;
                    Modifications part = new Modifications();
                    for (int i = 0; i < 12; i++) {
                        part.clear();
                        part.image(Keys.twoPhase(0, i), lsn, new byte[8000]);
                        root.commitPart(part, lsn);
                    }
                    root.lease(before);
                    TimelineIndex onDisk =
                            TimelineIndex.read(world.environment.disk(), root.directory());
                    assertEquals(layers, onDisk.layers().size());
                    assertEquals(1, onDisk.leases().size());
                    assertTrue(
                            world.environment.disk().list(root.directory()).size() > layers + 2,
                            "parts are files already");
                    root.commit(new Modifications(), before, lsn);
                    root.flushUpTo(lsn);
                    assertTrue(root.layerCount() > layers + 2);
                    assertFalse(root.durableLayers().isEmpty());
                    root.shutDown();
                    world.restart();
                    Timeline again = world.open(TimelineWorld.ROOT);
                    for (int i = 0; i < 12; i++) {
                        byte[] content = again.viewAt(lsn).image(Keys.twoPhase(0, i));
                        assertEquals(8000, content == null ? 0 : content.length);
                    }
                    again.shutDown();
                });
    }
}
