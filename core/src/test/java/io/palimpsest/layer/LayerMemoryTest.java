package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Generation;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * What a layer that nobody reads costs in memory: its descriptor, as the index has it, its handle,
 * and its share of the map.
 */
class LayerMemoryTest {
    private static final int LAYERS = 100_000;
    private static final int LEVELS = 10;

    /** Twice of what it is, so that only another kind of growth fails. */
    private static final long MOST = 800;

    private static LayerDescriptor descriptor(LayerName made, long size) {
        // As it comes from an index: nothing shared with its neighbours.
        LayerName name = LayerName.parse(made.toString());
        return new LayerDescriptor(name, size, name.image());
    }

    /** Levels of deltas, each cut at other keys, and one of images in the middle. */
    private static List<LayerDescriptor> layers() {
        TenantShardId tenant = TenantShardId.unsharded(new TenantId(1, 2));
        Prng random = new Prng(8);
        List<LayerDescriptor> layers = new ArrayList<>(LAYERS);
        for (int level = 0; level < LEVELS; level++) {
            int block = 0;
            for (int i = 0; i < LAYERS / LEVELS; i++) {
                int next = block + 1 + random.nextInt(4096);
                KeyRange keys =
                        new KeyRange(
                                Key.of(0, 1663, 5, 16384, 0, block),
                                Key.of(0, 1663, 5, 16384, 0, next));
                LayerName name =
                        level == LEVELS / 2
                                ? LayerName.image(keys, 1000L * level, tenant, Generation.FIRST)
                                : LayerName.delta(
                                        keys,
                                        new LsnRange(1000L * level + 1, 1000L * level + 1001),
                                        tenant,
                                        Generation.FIRST);
                layers.add(descriptor(name, 128 << 20));
                block = next;
            }
        }
        return layers;
    }

    private static long used() {
        for (int i = 0; i < 4; i++) {
            System.gc();
        }
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    @Test
    void aLayerNobodyReadsTakesSomeHundredBytes() {
        MemoryDisk disk = new MemoryDisk();
        BlockCache cache = new BlockCache(Limits.DEFAULT);
        long before = used();
        List<LayerDescriptor> index = List.copyOf(layers());
        List<LayerFile> files = new ArrayList<>(LAYERS);
        for (LayerDescriptor layer : index) {
            files.add(LayerFile.lazy(disk, "tenants/1/timelines/2", layer, cache));
        }
        LayerMap map = LayerMap.of(files);
        files = List.of();
        long each = (used() - before) / LAYERS;
        assertEquals(LAYERS, map.count());
        assertEquals(LAYERS, index.size());
        assertEquals(0, disk.open);
        System.out.printf("a layer that nobody reads: %d bytes of memory%n", each);
        assertTrue(each < MOST, each + " bytes a layer");
    }
}
