package io.palimpsest.regress.storage;

import io.palimpsest.base.Generation;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerMap;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.Disk;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.value.Keys;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * The layer map with handles of layers that need no file: ten levels of delta layers and one of
 * images over the keys of one relation, each level cut at other keys. Which layer is asked first
 * for a random page at a random LSN; and a layer exchanged for another one.
 */
final class LayerMapPart implements Part {
    private static final int SMALL = 10_000;
    private static final int LARGE = 1_000_000;
    private static final int LEVELS = 10;
    private static final long LEVEL_LSNS = 1 << 20;
    private static final int BLOCKS_PER_LAYER = 100;
    private static final int SEARCHES = 200_000;
    private static final int UPDATES = 2_000;
    private static final RelTag TAG = new RelTag(RelTag.DEFAULT_TABLESPACE, 7, 7, RelTag.MAIN);

    /** A map and what it was made of. */
    private static final class Subject {
        final List<LayerFile> files = new ArrayList<>();
        final int blocks;
        private final Disk disk;
        private final BlockCache cache = new BlockCache(Limits.DEFAULT);
        LayerMap map;
        private long nextLsn = (LEVELS + 2) * LEVEL_LSNS;
        private long checksum;

        Subject(Disk disk, int layers) {
            this.disk = disk;
            int perLevel = layers / (LEVELS + 1);
            blocks = perLevel * BLOCKS_PER_LAYER;
            for (int level = 0; level <= LEVELS; level++) {
                long start = (level + 1) * LEVEL_LSNS;
                int shift = level * BLOCKS_PER_LAYER / (LEVELS + 1);
                for (int i = 0; i < perLevel; i++) {
                    KeyRange keys = keys(i * BLOCKS_PER_LAYER + shift);
                    boolean image = level == LEVELS / 2;
                    files.add(
                            handle(
                                    image
                                            ? LayerName.image(
                                                    keys, start, Storage.TENANT, Generation.FIRST)
                                            : LayerName.delta(
                                                    keys,
                                                    new LsnRange(start, start + LEVEL_LSNS),
                                                    Storage.TENANT,
                                                    Generation.FIRST),
                                    image));
                }
            }
            map = LayerMap.of(files);
        }

        private static KeyRange keys(int firstBlock) {
            return new KeyRange(
                    Keys.block(TAG, firstBlock), Keys.block(TAG, firstBlock + BLOCKS_PER_LAYER));
        }

        private LayerFile handle(LayerName name, boolean complete) {
            return LayerFile.lazy(
                    disk, "none", new LayerDescriptor(name, 1 << 20, complete), cache);
        }

        /** Nanoseconds a search. */
        double search(SplittableRandom random) {
            Key relation = Keys.block(TAG, 0);
            long start = System.nanoTime();
            for (int i = 0; i < SEARCHES; i++) {
                long lo = Keys.lo(TAG.fork(), random.nextInt(blocks));
                long below = LEVEL_LSNS + random.nextLong((LEVELS + 1) * LEVEL_LSNS);
                LayerFile found = map.newest(relation.hi(), relation.mid(), lo, below);
                checksum += found == null ? 0 : found.startLsn();
            }
            return (double) (System.nanoTime() - start) / SEARCHES;
        }

        /** Nanoseconds an exchange of one layer, as a compaction does. */
        double update(SplittableRandom random) {
            long start = System.nanoTime();
            for (int i = 0; i < UPDATES; i++) {
                int at = random.nextInt(files.size());
                LayerFile old = files.get(at);
                nextLsn += LEVEL_LSNS;
                LayerFile fresh =
                        handle(
                                LayerName.delta(
                                        old.keys(),
                                        new LsnRange(nextLsn, nextLsn + LEVEL_LSNS),
                                        Storage.TENANT,
                                        Generation.FIRST),
                                false);
                map = map.replace(List.of(), List.of(old), List.of(fresh));
                files.set(at, fresh);
            }
            return (double) (System.nanoTime() - start) / UPDATES;
        }
    }

    @Override
    public void run(Setting setting, Report report) {
        Disk disk = new Storage(setting.home(), Limits.DEFAULT).environment().disk();
        report.say("layer map, " + SMALL + " and " + LARGE + " layers");
        Subject small = new Subject(disk, SMALL);
        Subject large = new Subject(disk, LARGE);
        SplittableRandom random = new SplittableRandom(1);
        Row search = new Row();
        Row update = new Row();
        for (int round = 0; round <= setting.rounds(); round++) {
            double few = small.search(random);
            double many = large.search(random);
            if (round > 0) {
                search.add(many, few);
            }
        }
        for (int round = 0; round <= setting.rounds(); round++) {
            double few = small.update(random);
            double many = large.update(random);
            if (round > 0) {
                update.add(many / 1e3, few / 1e3);
            }
        }
        report.cost(
                "search of a map of 1,000,000 layers",
                "search of a map of 10,000 layers",
                "ns",
                search,
                Goal.atMost(3),
                small.checksum + large.checksum == 0 ? "nothing was found" : "");
        report.cost(
                "exchange of a layer among 1,000,000",
                "exchange of a layer among 10,000",
                "us",
                update,
                null,
                "");
    }
}
