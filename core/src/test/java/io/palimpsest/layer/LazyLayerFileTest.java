package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class LazyLayerFileTest {
    private static Limits limits(int openFiles) {
        Limits d = History.limits(300, 1 << 16);
        return new Limits(
                d.openLayerBytes(),
                d.flushDistance(),
                d.flushAgeNanos(),
                d.ingestBatchRecords(),
                d.ingestBatchBytes(),
                d.layerBlockBytes(),
                d.recordBytes(),
                d.waitLsnNanos(),
                d.blockCacheBytes(),
                openFiles,
                d.batchPages(),
                d.chainDeltas(),
                d.backgroundBytesPerSecond());
    }

    /** Files with one key each, whose value is the file's number. */
    private static List<LayerFile> files(MemoryDisk disk, int count, int openFiles) {
        Limits limits = limits(openFiles);
        BlockCache cache = new BlockCache(limits);
        List<LayerFile> files = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            KeyRange keys = new KeyRange(new Key(0, 0, i), new Key(0, 0, i + 1));
            List<History.Entry> entries =
                    List.of(new History.Entry(keys.start(), 16, new byte[] {0, (byte) i}));
            LayerName name = History.writeDelta(disk, entries, keys, new LsnRange(8, 24), limits);
            long size = disk.files.get(name.toString()).length;
            files.add(LayerFile.lazy(disk, "", new LayerDescriptor(name, size, false), cache));
        }
        return files;
    }

    private static void read(LayerFile file, int i, Reconstruction r) {
        r.reset(0, 0, i, 20);
        assertTrue(file.collect(r));
        assertEquals((byte) i, r.bytes()[r.offset(0) + 1]);
    }

    @Test
    void nothingIsOpenBeforeItIsReadAndFewAreAtOnce() {
        MemoryDisk disk = new MemoryDisk();
        Prng prng = new Prng(3);
        List<LayerFile> files = files(disk, 40, 5);
        assertEquals(0, disk.open);
        Reconstruction r = new Reconstruction();
        int opened = 0;
        for (int round = 0; round < 400; round++) {
            int i = prng.nextInt(prng.oneIn(4) ? 40 : 4);
            int before = disk.open;
            r.reset(0, 0, i, 20);
            Collected c = files.get(i).tryCollect(r);
            assertTrue(c == Collected.NOT_READY || c == Collected.COMPLETE);
            assertEquals(before, disk.open, "what must not block opens nothing");
            read(files.get(i), i, r);
            opened = Math.max(opened, disk.open);
        }
        assertEquals(5, opened);
        files.forEach(LayerFile::close);
        assertEquals(0, disk.open);
    }

    @Test
    void whatIsHeldStaysOpenAndIsClosedAfterwards() {
        MemoryDisk disk = new MemoryDisk();
        List<LayerFile> files = files(disk, 10, 2);
        List<LayerCursor> cursors = new ArrayList<>();
        for (LayerFile f : files) {
            assertTrue(f.acquire());
            cursors.add(f.entries());
        }
        assertEquals(10, disk.open);
        for (int i = 0; i < 10; i++) {
            assertTrue(cursors.get(i).next());
            assertEquals(i, cursors.get(i).lo());
            files.get(i).release();
        }
        assertEquals(2, disk.open);
        files.get(0).close();
        files.get(9).close();
        Reconstruction r = new Reconstruction();
        for (int i = 1; i < 9; i++) {
            read(files.get(i), i, r);
        }
        assertEquals(2, disk.open);
    }

    /** Has everything that was ever on the disk. */
    private static final class Store implements LayerSource {
        final MemoryDisk disk;
        final TreeMap<String, byte[]> all;
        int fetched;

        /** Each file leaves the disk again, so often, before it can be opened. */
        int hasty;

        Store(MemoryDisk disk) {
            this.disk = disk;
            this.all = new TreeMap<>(disk.files);
        }

        /** Files that are to come. */
        final List<Runnable> wanted = new ArrayList<>();

        int parts;

        /** The part of that number comes from this other layer. */
        int swapped;

        byte[] foreign = new byte[0];

        @Override
        public Parts open(LayerDescriptor layer, Runnable bring) {
            wanted.add(bring);
            return new Parts() {
                @Override
                public String name() {
                    return "afar/" + layer.name();
                }

                @Override
                public long size() {
                    return layer.size();
                }

                @Override
                public void read(long position, byte[] into, int offset, int length) {
                    parts++;
                    if (parts == swapped) {
                        System.arraycopy(foreign, (int) position, into, offset, length);
                        return;
                    }
                    System.arraycopy(bytes(layer.name()), (int) position, into, offset, length);
                }

                @Override
                public boolean tryRead(long position, byte[] into, int offset, int length) {
                    return false;
                }

                @Override
                public void close() {}
            };
        }

        private byte[] bytes(LayerName layer) {
            byte[] bytes = all.get(layer.toString());
            if (bytes == null) {
                throw PageserverException.corruption("afar/%s: there is no such object", layer);
            }
            return bytes;
        }

        @Override
        public boolean fetch(LayerDescriptor layer, String path, Runnable here) {
            byte[] bytes = all.get(layer.name().toString());
            if (bytes == null) {
                return false;
            }
            fetched++;
            if (hasty-- <= 0) {
                disk.files.put(path, bytes);
            }
            here.run();
            return true;
        }

        @Override
        public boolean drop(LayerDescriptor layer, String path, Runnable gone) {
            if (!all.containsKey(layer.name().toString())) {
                return false;
            }
            disk.files.remove(path);
            gone.run();
            return true;
        }
    }

    /** The same as {@link #files}, which can leave the disk. */
    private static List<LayerFile> droppable(MemoryDisk disk, Store store, BlockCache cache) {
        List<LayerFile> files = new ArrayList<>();
        LayerDirectory directory = new LayerDirectory(disk, "", store);
        disk.files.forEach((name, bytes) ->
                files.add(
                        LayerFile.lazy(
                                directory,
                                new LayerDescriptor(LayerName.parse(name), bytes.length, false),
                                cache)));
        return files;
    }

    @Test
    void whatLeavesTheDiskIsReadOnByWhoReadsItAndComesBackForOthers() {
        MemoryDisk disk = new MemoryDisk();
        files(disk, 4, 5);
        Store store = new Store(disk);
        BlockCache cache = new BlockCache(limits(2));
        List<LayerFile> files = droppable(disk, store, cache);
        LayerFile file = files.get(2);
        Reconstruction r = new Reconstruction();
        read(file, 2, r);
        assertEquals(1, disk.open);
        assertTrue(file.acquire());
        LayerCursor cursor = file.entries();
        assertTrue(file.drop());
        assertFalse(file.resident());
        assertFalse(disk.files.containsKey(file.path()));
        assertTrue(cursor.next());
        read(file, 2, r);
        assertEquals(0, store.fetched, "it is open yet");
        file.release();
        assertEquals(0, disk.open, "nobody reads it any more");
        assertEquals(Collected.NOT_READY, tryRead(file, 2, r));
        assertTrue(file.acquire());
        assertTrue(file.entries().next(), "who reads all of it waits for the file");
        file.release();
        assertEquals(1, store.fetched);
        assertTrue(file.resident());
        assertEquals(1, disk.open, "it stays open, as any other");
        assertTrue(file.drop());
        assertEquals(0, disk.open);
        file.fetch();
        file.fetch();
        assertEquals(2, store.fetched);
        assertEquals(0, store.parts);
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 4; i++) {
                read(files.get(i), i, r);
            }
        }
        assertEquals(2, disk.open, "their places were given back");
        files.forEach(LayerFile::close);
        assertEquals(0, disk.open);
        assertFalse(file.drop());
    }

    @Test
    void whatIsAwayIsReadWhereItIsUntilItsFileHasCome() {
        MemoryDisk disk = new MemoryDisk();
        files(disk, 1, 5);
        Store store = new Store(disk);
        LayerFile file = droppable(disk, store, new BlockCache(limits(2))).getFirst();
        assertTrue(file.drop());
        Reconstruction r = new Reconstruction();
        read(file, 0, r);
        read(file, 0, r);
        assertTrue(store.parts > 0);
        assertEquals(1, store.wanted.size(), "it is opened once");
        assertEquals(0, store.fetched, "no read has waited for the file");
        assertFalse(file.resident());
        assertEquals(0, disk.open);
        assertTrue(file.acquire());
        store.wanted.getFirst().run();
        assertTrue(file.resident());
        int parts = store.parts;
        read(file, 0, r);
        assertEquals(1, disk.open, "from now on it is the file");
        assertEquals(parts, store.parts);
        file.release();
        assertEquals(1, disk.open, "it stays open, as any other");
        assertTrue(file.drop());
        assertEquals(0, disk.open);
        read(file, 0, r);
        assertTrue(store.parts > parts, "it is away again");
        file.close();
        assertEquals(ErrorCode.CONFLICT, errorOf(store.wanted.getLast()));
        assertEquals(0, disk.open);
        assertTrue(disk.files.isEmpty(), "what was removed does not come");
    }

    private static ErrorCode errorOf(Runnable action) {
        return assertThrows(PageserverException.class, action::run).code();
    }

    @Test
    void damageFarAwayNamesTheObjectAndNothingOfItIsKept() {
        MemoryDisk disk = new MemoryDisk();
        files(disk, 2, 5);
        Store store = new Store(disk);
        String name = disk.files.firstKey();
        String other = disk.files.lastKey();
        byte[] whole = store.all.get(name);
        Reconstruction r = new Reconstruction();
        for (int at = 0; at <= whole.length; at++) {
            byte[] damaged = whole.clone();
            if (at < whole.length) {
                damaged[at] ^= 1;
            } else {
                damaged = store.all.get(other);
            }
            store.all.put(name, damaged);
            LayerFile file = droppable(disk, store, new BlockCache(limits(2))).getFirst();
            assertTrue(file.drop());
            r.reset(0, 0, 0, 20);
            PageserverException e =
                    assertThrows(PageserverException.class, () -> file.collect(r), "byte " + at);
            assertEquals(ErrorCode.CORRUPTION, e.code());
            assertTrue(e.getMessage().contains("afar/" + name), e.getMessage());
            store.all.put(name, whole);
            read(file, 0, r);
            file.close();
            disk.files.put(name, whole);
        }
    }

    /** Its blocks have good checksums at the same places, and lie at other LSNs. */
    @Test
    void whatComesFromAnotherLayerOnceDoesNoHarm() {
        MemoryDisk disk = new MemoryDisk();
        files(disk, 1, 5);
        Store store = new Store(disk);
        KeyRange keys = new KeyRange(new Key(0, 0, 0), new Key(0, 0, 1));
        List<History.Entry> entries =
                List.of(new History.Entry(keys.start(), 15, new byte[] {0, (byte) 9}));
        LayerName other = History.writeDelta(disk, entries, keys, new LsnRange(2, 24), limits(5));
        store.foreign = disk.files.remove(other.toString());
        for (int part = 1; part <= 6; part++) {
            LayerFile file = droppable(disk, store, new BlockCache(limits(2))).getFirst();
            assertTrue(file.drop());
            store.parts = 0;
            store.swapped = part;
            read(file, 0, new Reconstruction());
            assertTrue(store.parts >= part, "so many parts there are");
            store.swapped = 0;
            read(file, 0, new Reconstruction());
            file.close();
            disk.files.putAll(store.all);
        }
    }

    private static Collected tryRead(LayerFile file, int i, Reconstruction r) {
        r.reset(0, 0, i, 20);
        return file.tryCollect(r);
    }

    @Test
    void whatLeavesAgainBeforeItIsOpenedIsBroughtAgain() {
        MemoryDisk disk = new MemoryDisk();
        files(disk, 1, 5);
        Store store = new Store(disk);
        LayerFile file = droppable(disk, store, new BlockCache(limits(2))).getFirst();
        assertTrue(file.drop());
        store.hasty = 3;
        file.verify();
        assertEquals(4, store.fetched);
        assertTrue(file.drop());
        store.hasty = Integer.MAX_VALUE;
        PageserverException e = assertThrows(PageserverException.class, file::verify);
        assertEquals(ErrorCode.UNAVAILABLE, e.code(), e.getMessage());
        file.close();
    }

    @Test
    void whatTheStoreDoesNotHaveStays() {
        MemoryDisk disk = new MemoryDisk();
        files(disk, 1, 5);
        Store store = new Store(disk);
        LayerFile file = droppable(disk, store, new BlockCache(limits(2))).getFirst();
        store.all.clear();
        assertFalse(file.drop());
        assertTrue(file.resident());
        assertTrue(disk.files.containsKey(file.path()));
        file.close();
    }

    @Test
    void aReadIsRememberedByWhatTimeItIs() {
        MemoryDisk disk = new MemoryDisk();
        files(disk, 2, 5);
        BlockCache cache = new BlockCache(limits(2));
        cache.now(7);
        List<LayerFile> files = droppable(disk, new Store(disk), cache);
        cache.now(9);
        read(files.get(1), 1, new Reconstruction());
        assertEquals(7, files.get(0).lastRead());
        assertEquals(9, files.get(1).lastRead());
        files.forEach(LayerFile::close);
    }

    @Test
    void aFileThatIsNotWhatTheIndexSaysFailsEachReadAndNoOther() {
        MemoryDisk disk = new MemoryDisk();
        List<LayerFile> files = files(disk, 6, 5);
        byte[] whole = disk.files.get(files.get(1).path());
        disk.files.put(files.get(1).path(), Arrays.copyOf(whole, whole.length - 1));
        disk.files.remove(files.get(2).path());
        byte[] flipped = disk.files.get(files.get(3).path()).clone();
        flipped[flipped.length - 100] ^= 1;
        disk.files.put(files.get(3).path(), flipped);
        disk.files.put(files.get(4).path(), disk.files.get(files.get(0).path()));
        LayerMap map = LayerMap.of(files);
        Reconstruction r = new Reconstruction();
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 6; i++) {
                int key = i;
                r.reset(0, 0, i, 20);
                if (i == 0 || i == 5) {
                    assertEquals(Collected.COMPLETE, map.collect(r));
                    continue;
                }
                PageserverException e =
                        assertThrows(PageserverException.class, () -> map.collect(r), "" + key);
                assertEquals(ErrorCode.CORRUPTION, e.code());
                assertTrue(e.getMessage().contains(files.get(i).path()), e.getMessage());
            }
        }
        files.forEach(LayerFile::close);
        assertEquals(0, disk.open);
    }

    @Test
    void aCompleteImageThatTheIndexCallsPartialIsRefused() {
        MemoryDisk disk = new MemoryDisk();
        TreeMap<Key, byte[]> content = new TreeMap<>();
        content.put(new Key(1, 1, 1), new byte[] {1});
        LayerName name = History.writeImages(disk, content, KeyRange.ALL, 16, Limits.DEFAULT);
        long size = disk.files.get(name.toString()).length;
        LayerFile file =
                LayerFile.lazy(
                        disk,
                        "",
                        new LayerDescriptor(name, size, true),
                        new BlockCache(Limits.DEFAULT));
        PageserverException e = assertThrows(PageserverException.class, file::statistics);
        assertEquals(ErrorCode.CORRUPTION, e.code());
        assertEquals(0, disk.open);
    }

    /** An old map still has a file that was compacted away before anybody opened it. */
    @Test
    void aFileThatWasRemovedIsStaleNotCorrupt() {
        MemoryDisk disk = new MemoryDisk();
        List<LayerFile> files = files(disk, 2, 1);
        Reconstruction r = new Reconstruction();
        LayerFile gone = files.get(0);
        assertTrue(gone.acquire());
        gone.close();
        disk.files.remove(gone.path());
        r.reset(0, 0, 0, 20);
        assertEquals(Collected.STALE, gone.search(r, 0, true));
        assertEquals(Collected.STALE, gone.scan(KeyRange.ALL, 0, 20, new ImageScan()));
        gone.release();
        assertFalse(gone.acquire());
        assertEquals(Collected.STALE, gone.search(r, 0, true));
    }

    @Test
    void manyTasksReadWhileFilesAreOpenedAndClosed() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        List<LayerFile> files = files(disk, 20, 3);
        try (ExecutorService pool = Executors.newFixedThreadPool(4)) {
            List<Future<?>> done = new ArrayList<>();
            for (int t = 0; t < 4; t++) {
                Prng prng = new Prng(t);
                done.add(
                        pool.submit(() -> {
                            Reconstruction r = new Reconstruction();
                            for (int n = 0; n < 20_000; n++) {
                                int i = prng.nextInt(20);
                                read(files.get(i), i, r);
                            }
                        }));
            }
            for (Future<?> f : done) {
                f.get();
            }
        }
    }
}
