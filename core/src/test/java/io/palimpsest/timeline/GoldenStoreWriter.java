package io.palimpsest.timeline;

import io.palimpsest.base.Generation;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.ingest.RecordedIngest;
import io.palimpsest.ingest.StoredHistory;
import io.palimpsest.layer.DeltaLayerWriter;
import io.palimpsest.layer.ImageLayerWriter;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.layer.MemoryDisk;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Disk;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.WalRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32C;

/**
 * Writes the golden store of the format as it is: {@code GoldenStoreWriter
 * fixtures/src/main/resources/store-vN}, in the module's parent. A root timeline with partial and
 * complete images, deltas of every level and codec, tombstones and keys of many blocks; a branch;
 * and a timeline that was detached from its ancestor. Values are those of recorded WAL; what
 * reading must give is worked out without any layer, by {@link StoredHistory}.
 */
final class GoldenStoreWriter {
    static final TenantShardId TENANT =
            TenantShardId.unsharded(new TenantId(0x1111_1111_1111_1111L, 0x1111_1111_1111_1111L));
    static final TimelineId ROOT = new TimelineId(0x2222_2222_2222_2222L, 0x2222_2222_2222_2222L);
    static final TimelineId BRANCH = new TimelineId(0x3333_3333_3333_3333L, 0x3333_3333_3333_3333L);
    static final TimelineId DETACHED =
            new TimelineId(0x4444_4444_4444_4444L, 0x4444_4444_4444_4444L);
    private static final Generation GENERATION = new Generation(1);
    private static final long RAW_BYTES = 350_000;

    private final MemoryDisk disk = new MemoryDisk();
    private final StringBuilder expected = new StringBuilder();
    private final RecordedWal wal = RecordedWal.load("pg17");
    private final PgVersion version = PgVersion.ofMajor(wal.major());
    private final RecordedIngest recorded = new RecordedIngest(wal, false);
    private final StoredHistory history = recorded.history();

    /** The values that the store has, of {@link #history}. */
    private final TreeMap<Key, TreeMap<Long, byte[]>> values = new TreeMap<>();

    private final List<LayerDescriptor> layers = new ArrayList<>();
    private TimelineId timeline = ROOT;

    /** Small blocks, so that there are many of them. */
    private final Limits limits = small();

    private static Limits small() {
        Limits d = Limits.DEFAULT;
        return new Limits(
                d.openLayerBytes(),
                d.flushDistance(),
                d.flushAgeNanos(),
                d.ingestBatchRecords(),
                d.ingestBatchBytes(),
                1024,
                d.recordBytes(),
                d.waitLsnNanos(),
                d.blockCacheBytes(),
                d.openLayerFiles(),
                d.batchPages(),
                d.chainDeltas(),
                d.backgroundBytesPerSecond());
    }

    public static void main(String[] args) throws IOException {
        GoldenStoreWriter w = new GoldenStoreWriter();
        w.write();
        Path to = Path.of(args[0]);
        for (var file : w.disk.files.entrySet()) {
            Path path = to.resolve(file.getKey());
            Files.createDirectories(path.getParent());
            Files.write(path, file.getValue());
        }
        Files.writeString(to.resolve("files.txt"), String.join("\n", w.disk.files.keySet()) + "\n");
        Files.writeString(to.resolve("expected.txt"), w.expected.toString());
    }

    private void write() {
        ingest();
        long start = wal.startLsn() - 8;
        List<Long> lsns =
                values.values().stream().flatMap(v -> v.keySet().stream()).sorted().toList();
        long a = lsns.get(lsns.size() / 3);
        long b = lsns.get(lsns.size() / 2);
        long c = lsns.get(lsns.size() * 3 / 4);
        long end = lsns.getLast();
        List<Key> pages = values.keySet().stream().filter(k -> k.kind() == 0).toList();
        Key middle = pages.get(pages.size() / 2);
        KeyRange low = new KeyRange(Key.MIN, middle);
        KeyRange high = new KeyRange(middle, Key.MAX);

        image(KeyRange.ALL, start, false, start);
        deltas(low, start + 1, a + 1, true);
        deltas(high, start + 1, a + 1, false);
        image(low, a, true, a);
        deltas(low, a + 1, b + 1, false);
        deltas(high, a + 1, b + 1, false);
        image(new KeyRange(Key.of(6, 0, 0, 0, 0, 0), Key.of(7, 0, 0, 0, 0, 0)), b, false, b);
        deltas(KeyRange.ALL, b + 1, c + 1, false);
        deltas(KeyRange.ALL, c + 1, end + 1, false);
        index(
                null,
                List.of(),
                TimelineState.ACTIVE,
                a,
                List.of(new Lease(start, 1_800_000_000_000L)),
                end);
        expect(start, a, b, c, end);

        timeline = BRANCH;
        layers.clear();
        TreeMap<Key, TreeMap<Long, byte[]>> inherited = new TreeMap<>(values);
        Key dropped = values.keySet().stream().filter(k -> k.kind() == 2).findFirst().orElseThrow();
        values.clear();
        put(dropped, c + 8, new byte[] {StoredValue.IMAGE});
        put(
                Key.of(7, 9999, 0, 0, 0, 0),
                c + 16,
                "\0/srv/tablespace".getBytes(StandardCharsets.UTF_8));
        deltas(KeyRange.ALL, c + 1, c + 17, false);
        index(
                new TimelineIndex.Ancestor(ROOT, c),
                List.of(),
                TimelineState.ACTIVE,
                a,
                List.of(),
                c + 16);
        line(dropped, c, content(inherited.get(dropped), c));
        line(dropped, c + 16, null);
        line(Key.of(7, 9999, 0, 0, 0, 0), c + 8, null);
        line(
                Key.of(7, 9999, 0, 0, 0, 0),
                c + 16,
                "/srv/tablespace".getBytes(StandardCharsets.UTF_8));
        for (Key k : pages) {
            line(k, c + 16, inherited.get(k).floorKey(c) == null ? null : history.page(k, c));
        }

        timeline = DETACHED;
        layers.clear();
        values.clear();
        Key older = Key.of(7, 1, 0, 0, 0, 0);
        Key newer = Key.of(7, 2, 0, 0, 0, 0);
        put(older, 0x100, new byte[] {StoredValue.IMAGE, 1});
        put(newer, 0x100, new byte[] {StoredValue.IMAGE, 2});
        deltas(KeyRange.ALL, 0x100, 0x201, false);
        values.clear();
        put(newer, 0x300, new byte[] {StoredValue.IMAGE, 3});
        image(KeyRange.ALL, 0x300, true, 0x300);
        index(
                null,
                List.of(0x200L),
                new TimelineState.Archived(1_700_000_000_000L),
                0x100,
                List.of(),
                0x300);
        line(older, 0x200, new byte[] {1});
        line(older, 0x300, new byte[] {1});
        line(newer, 0x2FF, new byte[] {2});
        line(newer, 0x300, new byte[] {3});
    }

    private void put(Key key, long lsn, byte[] value) {
        values.computeIfAbsent(key, _ -> new TreeMap<>()).put(lsn, value);
    }

    /** Of the recorded WAL, as many relations as fit, all that is small, and what it lacks. */
    private void ingest() {
        WalRecord r = new WalRecord();
        for (int n = 1; recorded.decoder().next(r); n++) {
            recorded.ingest().ingest(r, recorded.out());
            if (n % 100 == 0 || recorded.out().copy() != null) {
                recorded.commit();
            }
        }
        recorded.commit();
        byte[] noise = new byte[3000];
        new Prng(1).nextBytes(noise, 0, noise.length);
        noise[0] = StoredValue.IMAGE;
        long middle = (wal.startLsn() + wal.endLsn()) / 2;
        put(Key.of(6, 0, 0, 700, 0, 0), middle, noise);
        put(Key.of(6, 0, 0, 700, 0, 0), middle + 1000, new byte[] {StoredValue.IMAGE});
        put(Key.of(6, 0, 0, 701, 0, 0), wal.startLsn() + 1, noise);
        long bytes = 0;
        int relation = -1;
        for (var e : history.values().entrySet()) {
            Key key = e.getKey();
            if (key.kind() == Keys.REL_BLOCK) {
                if (key.field4() != relation && bytes > RAW_BYTES
                        || !StoredValue.isInitial(e.getValue().firstEntry().getValue(), 0)) {
                    continue;
                }
                relation = key.field4();
                bytes += e.getValue().values().stream().mapToInt(v -> v.length).sum();
            } else if (key.kind() == Keys.SLRU_BLOCK) {
                continue;
            }
            values.put(key, e.getValue());
        }
    }

    private void deltas(KeyRange keys, long from, long end, boolean belowCutoff) {
        LsnRange lsns = new LsnRange(from, end);
        LayerName name = LayerName.delta(keys, lsns, TENANT, GENERATION);
        try (Disk.Output out = disk.create(path(name))) {
            DeltaLayerWriter w =
                    belowCutoff
                            ? DeltaLayerWriter.ofHistory(out, TENANT, timeline, lsns, limits)
                            : new DeltaLayerWriter(out, TENANT, timeline, lsns, limits);
            values.forEach((k, all) -> {
                if (keys.contains(k.hi(), k.mid(), k.lo())) {
                    all.subMap(from, end)
                            .forEach(
                                    (l, v) -> w.append(k.hi(), k.mid(), k.lo(), l, v, 0, v.length));
                }
            });
            layers.add(new LayerDescriptor(name, w.finish(keys, lsns), false));
        }
    }

    private void image(KeyRange keys, long lsn, boolean complete, long atLeast) {
        LayerName name = LayerName.image(keys, lsn, TENANT, GENERATION);
        try (Disk.Output out = disk.create(path(name))) {
            ImageLayerWriter w = new ImageLayerWriter(out, TENANT, timeline, lsn, complete, limits);
            values.forEach((k, all) -> {
                if (keys.contains(k.hi(), k.mid(), k.lo()) && all.floorKey(atLeast) != null) {
                    byte[] content = Keys.isPage(k.hi()) ? history.page(k, lsn) : content(all, lsn);
                    byte[] c = content == null ? new byte[0] : content;
                    w.append(k.hi(), k.mid(), k.lo(), c, 0, c.length);
                }
            });
            layers.add(new LayerDescriptor(name, w.finish(keys), complete));
        }
    }

    private static byte[] content(TreeMap<Long, byte[]> all, long lsn) {
        var newest = all.floorEntry(lsn);
        return newest == null || newest.getValue().length == 1
                ? null
                : Arrays.copyOfRange(newest.getValue(), 1, newest.getValue().length);
    }

    private String directory() {
        return "tenants/" + TENANT + "/timelines/" + timeline;
    }

    private String path(LayerName name) {
        return directory() + "/" + name;
    }

    private void index(
            TimelineIndex.Ancestor ancestor,
            List<Long> adopted,
            TimelineState state,
            long oldest,
            List<Lease> leases,
            long diskConsistent) {
        layers.sort(TimelineIndex.ORDER);
        new TimelineIndex(
                        new TimelineIndex.Identity(
                                TENANT,
                                timeline,
                                GENERATION,
                                version,
                                WalOrigin.STOCK,
                                wal.systemIdentifier(),
                                wal.segmentSize(),
                                1),
                        ancestor,
                        adopted,
                        state,
                        BranchProperties.NONE,
                        oldest,
                        leases,
                        diskConsistent,
                        0,
                        layers,
                        List.of())
                .commit(disk, directory());
    }

    private void expect(long... lsns) {
        int n = 0;
        for (Map.Entry<Key, TreeMap<Long, byte[]>> e : values.entrySet()) {
            Key k = e.getKey();
            TreeMap<Long, byte[]> all = e.getValue();
            if (!Keys.isPage(k.hi()) && k.kind() < Keys.TWO_PHASE && n++ % 5 != 0) {
                continue;
            }
            for (long lsn : lsns) {
                boolean there = all.floorKey(lsn) != null;
                line(
                        k,
                        lsn,
                        !there
                                ? null
                                : Keys.isPage(k.hi()) ? history.page(k, lsn) : content(all, lsn));
            }
        }
    }

    private void line(Key key, long lsn, byte[] content) {
        expected.append(timeline).append(' ').append(key).append(' ').append(Lsn.toString(lsn));
        expected.append(' ').append(content == null ? "absent" : checksum(content)).append('\n');
    }

    static String checksum(byte[] content) {
        CRC32C crc = new CRC32C();
        crc.update(content, 0, content.length);
        return "%08x".formatted(crc.getValue());
    }
}
