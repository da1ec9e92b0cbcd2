package io.palimpsest.redo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
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
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Redo against PostgreSQL's own answer: every record of the recorded sections is encoded as stored,
 * applied, and the page compared with the one the server logged as right (masked). Prints what was
 * covered.
 */
final class RedoOracleTest {
    private record Block(RelTag tag, int number) {}

    /** What happened to the records of one resource manager and opcode. */
    private static final class Count {
        int applied;
        int checked;
        int mismatches;
        int unsupported;
        int noBase;
    }

    private static final int MESSAGES = 20;

    private final Map<Block, byte[]> pages = new HashMap<>();
    private final Map<String, Count> counts = new TreeMap<>();
    private final List<String> wrong = new ArrayList<>();
    private final ByteSink value = new ByteSink(Page.SIZE);
    private final byte[] expected = new byte[Page.SIZE];

    static List<String> sections() {
        return RecordedWal.checkedNames();
    }

    static List<String> imageSections() {
        return RecordedWal.imageNames();
    }

    @ParameterizedTest
    @MethodSource("sections")
    void redoGivesThePagesTheServerLogged(String name) {
        replay(RecordedWal.load(name));
        System.out.print(table(name));
        int checked = counts.values().stream().mapToInt(c -> c.checked).sum();
        assertTrue(checked > 10_000, name + ": only " + checked + " pages were compared");
        assertEquals(List.of(), wrong, name);
    }

    /** Without images to compare with: every record applies. */
    @ParameterizedTest
    @MethodSource("imageSections")
    void redoTakesEveryRecord(String name) {
        replay(RecordedWal.load(name));
        assertEquals(List.of(), wrong, name);
    }

    private void replay(RecordedWal wal) {
        PgVersion version = PgVersion.ofMajor(wal.major());
        PageRedo redo = new PageRedo(new RedoContext(version, wal.hintBitsLogged()));
        WalDecoder decoder =
                new WalDecoder(
                        version,
                        wal.startLsn(),
                        wal.segmentSize(),
                        wal.systemIdentifier(),
                        1 << 30);
        WalRecord record = new WalRecord();
        decoder.feed(wal.bytes(), 0, wal.bytes().length);
        while (decoder.next(record)) {
            clearVisibility(redo, record);
            for (int i = 0; i < record.blockCount(); i++) {
                block(redo, record, i);
            }
            if (record.rmid() == Rmgr.SMGR && (record.info() & 0xF0) == 0x20) {
                truncate(record);
            }
        }
        assertEquals(wal.endLsn(), decoder.position(), "decoded to the end");
    }

    private void block(PageRedo redo, WalRecord r, int i) {
        Count count =
                counts.computeIfAbsent(
                        String.format(
                                "%-8s %02X id %d", Rmgr.name(r.rmid()), opcode(r), r.blockId(i)),
                        k -> new Count());
        Block block =
                new Block(new RelTag(r.spc(i), r.db(i), r.rel(i), r.fork(i)), r.blockNumber(i));
        boolean check = r.hasImage(i) && !r.appliesImage(i);
        value.clear();
        StoredValue.record(value, r, i);
        byte[] page = pages.get(block);
        if (page == null && !StoredValue.isInitial(value.array(), 0)) {
            count.noBase++;
            if (check) {
                pages.put(block, adopt(r, i));
            }
            return;
        }
        if (page == null) {
            page = new byte[Page.SIZE];
            pages.put(block, page);
        }
        count.applied++;
        try {
            redo.apply(page, value.array(), 0, value.size(), r.endLsn());
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.UNSUPPORTED) {
                count.unsupported++;
            } else {
                count.mismatches++;
                wrong(r, block, e.getMessage());
            }
            pages.remove(block);
            if (check) {
                pages.put(block, adopt(r, i));
            }
            return;
        }
        if (check) {
            compare(count, r, i, block, page);
        }
    }

    private void compare(Count count, WalRecord r, int i, Block block, byte[] page) {
        PageMask.Kind kind = PageMask.Kind.of(r.rmid(), r.fork(i));
        if (kind == null) {
            return;
        }
        count.checked++;
        restore(r, i, expected);
        byte[] found = page.clone();
        PageMask.mask(expected, kind, block.number());
        PageMask.mask(found, kind, block.number());
        int at = Arrays.mismatch(expected, found);
        if (at >= 0) {
            count.mismatches++;
            wrong(
                    r,
                    block,
                    String.format(
                            "first difference at %d: expected %02X, found %02X, lower %d upper %d",
                            at, expected[at], found[at], Page.lower(page), Page.upper(page)));
            pages.put(block, adopt(r, i));
        }
    }

    /** What the server says the page is, in place of what we could not make. */
    private static byte[] adopt(WalRecord r, int i) {
        byte[] page = new byte[Page.SIZE];
        restore(r, i, page);
        Page.setLsn(page, r.endLsn());
        return page;
    }

    private static void restore(WalRecord r, int i, byte[] page) {
        PageImage.restore(
                r.bytes(),
                r.imageOffset(i),
                r.imageLength(i),
                r.imageFlags(i),
                r.holeOffset(i),
                r.holeLength(i),
                page);
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

    /**
     * Records that clear bits of a visibility map page without registering it: ingest makes values
     * of their own of them, here they are made in place.
     */
    private void clearVisibility(PageRedo redo, WalRecord r) {
        int op = r.info() & 0x70;
        int main = r.mainOffset();
        byte[] b = r.bytes();
        int all = VisibilityMap.ALL_VISIBLE | VisibilityMap.ALL_FROZEN;
        if (r.rmid() == Rmgr.HEAP) {
            switch (op) {
                case 0x00 -> clear(redo, r, 0, 1, b[main + 2] & 1, all);
                case 0x10 -> clear(redo, r, 0, 1, b[main + 7] & 1, all);
                case 0x20, 0x40 -> {
                    boolean twoPages = r.blockWithId(1) >= 0;
                    clear(redo, r, 0, 2, b[main + 7] & 2, all);
                    clear(redo, r, twoPages ? 1 : 0, 2, b[main + 7] & 1, all);
                }
                case 0x60 -> clear(redo, r, 0, 1, b[main + 7] & 1, VisibilityMap.ALL_FROZEN);
                default -> {}
            }
        } else if (r.rmid() == Rmgr.HEAP2) {
            switch (op) {
                case 0x50 -> clear(redo, r, 0, 1, b[main] & 1, all);
                case 0x60 -> clear(redo, r, 0, 1, b[main + 7] & 1, VisibilityMap.ALL_FROZEN);
                default -> {}
            }
        }
    }

    private void clear(PageRedo redo, WalRecord r, int heapId, int mapId, int flag, int bits) {
        boolean registered = r.blockWithId(mapId) >= 0 || mapId == 2 && r.blockWithId(3) >= 0;
        if (flag == 0 || registered) {
            return;
        }
        int i = r.blockWithId(heapId);
        RelTag map = new RelTag(r.spc(i), r.db(i), r.rel(i), RelTag.VM);
        int heapBlock = r.blockNumber(i);
        byte[] page = pages.get(new Block(map, VisibilityMap.mapBlock(heapBlock)));
        if (page != null) {
            value.clear();
            StoredValue.vmClear(value, bits, heapBlock);
            redo.apply(page, value.array(), 0, value.size(), r.endLsn());
        }
    }

    /** Pages behind the new end are gone; of the maps nothing is known until their next image. */
    private void truncate(WalRecord r) {
        int main = r.mainOffset();
        int keep = Bytes.i32(r.bytes(), main);
        int spc = Bytes.i32(r.bytes(), main + 4);
        int db = Bytes.i32(r.bytes(), main + 8);
        int rel = Bytes.i32(r.bytes(), main + 12);
        pages.keySet()
                .removeIf(block ->
                        block.tag().withFork(0).equals(new RelTag(spc, db, rel, 0))
                                && (block.tag().fork() != RelTag.MAIN || block.number() >= keep));
    }

    private static int opcode(WalRecord r) {
        return r.info() & 0xF0;
    }

    private String table(String name) {
        StringBuilder out = new StringBuilder(name);
        out.append(": rmgr, info, block      applied  checked mismatch unsupported no-base\n");
        counts.forEach((key, c) ->
                out.append(
                        String.format(
                                "  %-24s %8d %8d %8d %8d %8d%n",
                                key, c.applied, c.checked, c.mismatches, c.unsupported, c.noBase)));
        return out.toString();
    }
}
