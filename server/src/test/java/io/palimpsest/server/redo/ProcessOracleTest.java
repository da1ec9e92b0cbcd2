package io.palimpsest.server.redo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.port.RedoEngine.Mode;
import io.palimpsest.redo.PageMask;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.PageImage;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * PostgreSQL's redo of records made again from their slices, against the page the server logged
 * after the record (masked), and against this program's redo.
 */
final class ProcessOracleTest {
    private record Block(RelTag tag, int number) {}

    private static final int MESSAGES = 20;

    private final Map<Block, byte[]> pages = new HashMap<>();
    private final Map<String, int[]> counts = new TreeMap<>();
    private final List<String> wrong = new ArrayList<>();
    private int checked;
    private int compared;

    @ParameterizedTest
    @ValueSource(strings = {"pg15", "pg15-lz4", "pg15-zstd"})
    void processGivesThePagesTheServerLoggedAndTheJvmMakes(String name) {
        RecordedWal wal = RecordedWal.load(name);
        try (WalRedoPool pool = Engines.real(wal.major(), Mode.ALWAYS, 1)) {
            replay(wal, pool);
        }
        counts.forEach((kind, n) ->
                System.out.printf("  %-24s applied %7d checked %7d%n", kind, n[0], n[1]));
        System.out.printf(
                "%s: process engine: %d pages compared with the JVM engine's, %d with the server's%n",
                name, compared, checked);
        assertEquals(List.of(), wrong, name);
        assertTrue(compared > 1_000, name + ": only " + compared + " pages were compared");
        assertTrue(!wal.consistencyImages() || checked > 10_000, name + ": " + checked);
    }

    private void replay(RecordedWal wal, WalRedoPool pool) {
        PgVersion version = PgVersion.ofMajor(wal.major());
        RedoContext context = new RedoContext(version, wal.hintBitsLogged());
        WalDecoder decoder =
                new WalDecoder(
                        version,
                        wal.startLsn(),
                        wal.segmentSize(),
                        wal.systemIdentifier(),
                        1 << 30);
        WalRecord record = new WalRecord();
        PageRedo jvm = new PageRedo(context);
        decoder.feed(wal.bytes(), 0, wal.bytes().length);
        while (decoder.next(record)) {
            if (record.rmid() == Rmgr.SMGR && (record.info() & 0xF0) == 0x20) {
                truncate(record);
            }
            clearVisibility(jvm, record);
            for (int i = 0; i < record.blockCount(); i++) {
                block(jvm, pool, context, record, i);
            }
        }
    }

    private void block(PageRedo jvm, WalRedoPool pool, RedoContext context, WalRecord r, int i) {
        Block block =
                new Block(new RelTag(r.spc(i), r.db(i), r.rel(i), r.fork(i)), r.blockNumber(i));
        byte[] before = pages.getOrDefault(block, new byte[Page.SIZE]);
        History history = History.of(before, r, i);
        boolean initial = StoredValue.isInitial(history.bytes(), history.offset(0));
        boolean check = r.hasImage(i) && !r.appliesImage(i);
        if (!pages.containsKey(block) && !initial) {
            if (check) {
                pages.put(block, adopt(r, i));
            }
            return;
        }
        byte[] expected = before.clone();
        byte[] found = initial ? new byte[Page.SIZE] : before.clone();
        try {
            jvm.apply(expected, history.bytes(), history.offset(0), history.length(0), r.endLsn());
            pool.apply(context.version().major(), context.hintBitsLogged(), history, 0, 0, found);
        } catch (PageserverException e) {
            wrong(r, block, e.getMessage());
            return;
        }
        int[] count =
                counts.computeIfAbsent(
                        String.format(
                                "%-8s %02X id %d",
                                Rmgr.name(r.rmid()), r.info() & 0xF0, r.blockId(i)),
                        k -> new int[2]);
        count[0]++;
        compared++;
        if (Page.lsn(expected) != Page.lsn(found)) {
            wrong(
                    r,
                    block,
                    "LSN by the JVM "
                            + Lsn.toString(Page.lsn(expected))
                            + ", by the process "
                            + Lsn.toString(Page.lsn(found)));
        }
        PageMask.Kind kind = PageMask.Kind.of(r.rmid(), r.fork(i));
        if (kind == null) {
            differ(r, block, "the JVM's", expected, found);
        } else {
            differ(
                    r,
                    block,
                    "the JVM's",
                    masked(expected, kind, block),
                    masked(found, kind, block));
            if (check) {
                count[1]++;
                checked++;
                differ(
                        r,
                        block,
                        "the server's",
                        masked(adopt(r, i), kind, block),
                        masked(found, kind, block));
            }
        }
        pages.put(block, found);
    }

    private static byte[] masked(byte[] page, PageMask.Kind kind, Block block) {
        byte[] copy = page.clone();
        PageMask.mask(copy, kind, block.number());
        return copy;
    }

    private void differ(WalRecord r, Block block, String whose, byte[] expected, byte[] found) {
        int at = Arrays.mismatch(expected, found);
        if (at >= 0) {
            wrong(
                    r,
                    block,
                    String.format(
                            "differs from %s at %d: expected %02X, found %02X",
                            whose, at, expected[at], found[at]));
        }
    }

    private static byte[] adopt(WalRecord r, int i) {
        byte[] page = new byte[Page.SIZE];
        PageImage.restore(
                r.bytes(),
                r.imageOffset(i),
                r.imageLength(i),
                r.imageFlags(i),
                r.holeOffset(i),
                r.holeLength(i),
                page);
        Page.setLsn(page, r.endLsn());
        return page;
    }

    private void wrong(WalRecord r, Block block, String what) {
        if (wrong.size() < MESSAGES) {
            wrong.add(
                    String.format(
                            "%s %s info %02X %s block %d: %s",
                            Lsn.toString(r.startLsn()),
                            Rmgr.name(r.rmid()),
                            r.info(),
                            block.tag(),
                            block.number(),
                            what));
        } else {
            wrong.set(MESSAGES - 1, "... and more");
        }
    }

    /** Bits that records of 15 clear without naming the map's page: ingest makes values of them. */
    private void clearVisibility(PageRedo jvm, WalRecord r) {
        byte[] b = r.bytes();
        int main = r.mainOffset();
        int both = VisibilityMap.ALL_VISIBLE | VisibilityMap.ALL_FROZEN;
        if (r.rmid() == Rmgr.HEAP) {
            switch (r.info() & 0x70) {
                case 0x00 -> clear(jvm, r, 0, b[main + 2] & 1, both);
                case 0x10 -> clear(jvm, r, 0, b[main + 7] & 1, both);
                case 0x20, 0x40 -> {
                    clear(jvm, r, 0, b[main + 7] & 2, both);
                    clear(jvm, r, r.blockCount() - 1, b[main + 7] & 1, both);
                }
                case 0x60 -> clear(jvm, r, 0, b[main + 7] & 1, VisibilityMap.ALL_FROZEN);
                default -> {}
            }
        } else if (r.rmid() == Rmgr.HEAP2 && (r.info() & 0x70) == 0x50) {
            clear(jvm, r, 0, b[main] & 1, both);
        } else if (r.rmid() == Rmgr.HEAP2 && (r.info() & 0x70) == 0x60) {
            clear(jvm, r, 0, b[main + 7] & 1, VisibilityMap.ALL_FROZEN);
        }
    }

    private void clear(PageRedo jvm, WalRecord r, int i, int flag, int bits) {
        int heap = r.blockNumber(i);
        RelTag map = new RelTag(r.spc(i), r.db(i), r.rel(i), RelTag.VM);
        byte[] page = pages.get(new Block(map, VisibilityMap.mapBlock(heap)));
        if (flag != 0 && page != null) {
            ByteSink value = new ByteSink(16);
            StoredValue.vmClear(value, bits, heap);
            jvm.apply(page, value.array(), 0, value.size(), r.endLsn());
        }
    }

    /** Pages behind the new end are gone; of the maps nothing is known until their next image. */
    private void truncate(WalRecord r) {
        int main = r.mainOffset();
        int keep = Bytes.i32(r.bytes(), main);
        RelTag cut =
                new RelTag(
                        Bytes.i32(r.bytes(), main + 4),
                        Bytes.i32(r.bytes(), main + 8),
                        Bytes.i32(r.bytes(), main + 12),
                        RelTag.MAIN);
        pages.keySet()
                .removeIf(block ->
                        block.tag().withFork(RelTag.MAIN).equals(cut)
                                && (block.tag().fork() != RelTag.MAIN || block.number() >= keep));
    }
}
