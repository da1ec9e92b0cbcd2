package io.palimpsest.ingest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.ControlFiles;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.value.Keys;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class BaseBackupImportTest {
    private static final long LSN = 0x200_0028;
    private static final String LABEL =
            """
            START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
            CHECKPOINT LOCATION: 0/2000060
            BACKUP METHOD: streamed
            START TIMELINE: 3
            """;

    private static byte[] pages(int... fills) {
        byte[] b = new byte[fills.length * Page.SIZE];
        for (int i = 0; i < fills.length; i++) {
            Arrays.fill(b, i * Page.SIZE, (i + 1) * Page.SIZE, (byte) fills[i]);
        }
        return b;
    }

    private static byte[] text(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    private static TreeMap<String, byte[]> files(PgVersion version) {
        TreeMap<String, byte[]> files = new TreeMap<>();
        String elsewhere =
                "pg_tblspc/1700/PG_" + version.major() + "_" + version.catalogVersion() + "/5/";
        files.put("backup_label", text(LABEL));
        files.put("PG_VERSION", text(version.major() + "\n"));
        files.put("tablespace_map", text("1700 /data/fa\\\\st\n"));
        files.put("base/5/PG_VERSION", text(version.major() + "\n"));
        files.put("base/5/pg_filenode.map", new byte[version.relmapBytes()]);
        files.put("global/pg_filenode.map", new byte[version.relmapBytes()]);
        files.put("base/5/16384", pages(1, 0, 3));
        files.put("base/5/16384_vm", pages(4));
        files.put("base/5/16384_fsm", pages(5, 6));
        files.put("base/5/16385", new byte[0]);
        files.put("base/5/16385_init", pages(7));
        files.put("base/5/16386", Arrays.copyOf(pages(8, 9), 2 * Page.SIZE - 1));
        files.put("base/5/t3_16390", pages(1));
        files.put("base/5/pg_internal.init", text("cache"));
        files.put(elsewhere + "16400", pages(10));
        files.put("pg_tblspc/1700/PG_9.6_201608131/5/16400", pages(1));
        files.put("global/1262", pages(11));
        files.put("pg_xact/0000", pages(12, 13));
        files.put("pg_multixact/offsets/0001", pages(14));
        files.put("pg_multixact/members/14078", pages(15));
        files.put("pg_commit_ts/0000", pages(16));
        files.put("pg_subtrans/0000", pages(17));
        files.put("pg_wal/000000010000000000000002", pages(18));
        byte[] state = new byte[100];
        state[99] = 1;
        String name = version.atLeast(PgVersion.V17) ? "00000002000003E8" : "000003E8";
        files.put("pg_twophase/" + name, state);
        files.put(
                "global/pg_control",
                ControlFiles.bytes(version, ControlFiles.checkPoint(2L << 32 | 2000), false));
        return files;
    }

    private static BaseBackupImport into(PgVersion version, StoredHistory history) {
        return new BaseBackupImport(version, LSN, history::commit);
    }

    private static void give(BaseBackupImport to, String name, byte[] content, int piece) {
        to.file(name, content.length);
        for (int at = 0; at < content.length; at += piece) {
            to.content(content, at, Math.min(piece, content.length - at));
        }
        to.endFile();
    }

    private static int size(StoredHistory history, Key key) {
        byte[] b = history.image(key);
        return b == null ? -1 : Bytes.i32(b, 0);
    }

    private static int relation(StoredHistory history, int spc, int db, int rel, int fork) {
        return size(history, Keys.relationSize(new RelTag(spc, db, rel, fork)));
    }

    @ParameterizedTest
    @EnumSource
    void everyFileFindsItsPlace(PgVersion version) {
        StoredHistory history = new StoredHistory(version);
        BaseBackupImport backup = into(version, history);
        files(version).forEach((name, content) -> give(backup, name, content, 5000));
        BaseBackupImport.Result result = backup.finish();
        assertEquals(new BackupLabel(LSN, 0x200_0060, 3, false), result.label());

        assertEquals(3, relation(history, 1663, 5, 16384, RelTag.MAIN));
        assertEquals(1, relation(history, 1663, 5, 16384, RelTag.VM));
        assertEquals(2, relation(history, 1663, 5, 16384, RelTag.FSM));
        assertEquals(-1, relation(history, 1663, 5, 16384, RelTag.INIT));
        assertEquals(0, relation(history, 1663, 5, 16385, RelTag.MAIN));
        assertEquals(1, relation(history, 1663, 5, 16385, RelTag.INIT));
        assertEquals(1, relation(history, 1663, 5, 16386, RelTag.MAIN), "rounded down");
        assertEquals(-1, relation(history, 1663, 5, 16390, RelTag.MAIN));
        assertEquals(1, relation(history, 1700, 5, 16400, RelTag.MAIN));
        assertEquals(1, relation(history, 1664, 0, 1262, RelTag.MAIN));
        RelTag heap = new RelTag(1663, 5, 16384, RelTag.MAIN);
        assertArrayEquals(pages(1), history.page(Keys.block(heap, 0), LSN));
        assertArrayEquals(pages(0), history.page(Keys.block(heap, 1), LSN));
        assertArrayEquals(pages(3), history.page(Keys.block(heap, 2), LSN));
        RelTag other = new RelTag(1700, 5, 16400, RelTag.MAIN);
        assertArrayEquals(pages(10), history.page(Keys.block(other, 0), LSN));

        assertEquals(2, size(history, Keys.slruSize(Slru.CLOG, 0)));
        assertEquals(1, size(history, Keys.slruSize(Slru.MULTIXACT_OFFSETS, 1)));
        assertEquals(1, size(history, Keys.slruSize(Slru.MULTIXACT_MEMBERS, 0x14078)));
        assertEquals(1, size(history, Keys.slruSize(Slru.COMMIT_TS, 0)));
        assertArrayEquals(pages(13), history.page(Keys.slruPage(Slru.CLOG, 1), LSN));
        assertArrayEquals(pages(14), history.page(Keys.slruPage(Slru.MULTIXACT_OFFSETS, 32), LSN));

        byte[] state = history.image(Keys.twoPhase(2, 1000));
        assertNotNull(state);
        assertEquals(96, state.length, "without its CRC");
        assertNotNull(history.image(Keys.database(1663, 5)));
        assertNotNull(history.image(Keys.relmap(1663, 5)));
        assertNotNull(history.image(Keys.relmap(1664, 0)));
        assertArrayEquals(text("/data/fa\\st"), history.image(Keys.tablespace(1700)));
        assertNotNull(history.image(Keys.CONTROL_FILE));
        byte[] checkPoint = history.image(Keys.CHECKPOINT);
        assertArrayEquals(result.control().checkPoint().toBytes(), checkPoint);
        assertNotNull(new WalIngest(version, history));
    }

    @Property(tries = 30)
    void orderAndPiecesDoNotMatter(@ForAll long seed) {
        PgVersion version = PgVersion.V16;
        StoredHistory expected = new StoredHistory(version);
        BaseBackupImport first = into(version, expected);
        TreeMap<String, byte[]> files = files(version);
        files.forEach((name, content) -> give(first, name, content, 1 << 20));
        first.finish();
        Prng random = new Prng(seed);
        List<Map.Entry<String, byte[]>> shuffled = new ArrayList<>(files.entrySet());
        for (int i = shuffled.size() - 1; i > 0; i--) {
            java.util.Collections.swap(shuffled, i, random.nextInt(i + 1));
        }
        StoredHistory found = new StoredHistory(version);
        BaseBackupImport second = into(version, found);
        for (Map.Entry<String, byte[]> f : shuffled) {
            give(second, f.getKey(), f.getValue(), 1 + random.nextInt(20_000));
        }
        second.finish();
        assertEquals(expected.values().keySet(), found.values().keySet());
        expected.values()
                .forEach((key, values) -> {
                    TreeMap<Long, byte[]> others = found.values().get(key);
                    assertNotNull(others);
                    assertEquals(values.keySet(), others.keySet());
                    values.forEach((lsn, value) -> assertArrayEquals(value, others.get(lsn)));
                });
    }

    @Test
    void aRelationEndsAtItsFirstSegmentThatIsNotFull() {
        StoredHistory history = new StoredHistory(PgVersion.V16);
        BaseBackupImport backup =
                new BaseBackupImport(
                        PgVersion.V16,
                        LSN,
                        batch -> {
                            // Full segments are too many pages for a map: only what is in the last
                            // batch.
                            if (batch.bytes() < 1 << 20) {
                                history.commit(batch);
                            }
                        });
        long full = 131_072L * Page.SIZE;
        byte[] zeros = new byte[1 << 20];
        give(backup, "base/5/100.1", pages(1, 2), 8192);
        backup.file("base/5/100", full);
        for (long at = 0; at < full; at += zeros.length) {
            backup.content(zeros, 0, zeros.length);
        }
        backup.endFile();
        give(backup, "base/5/200.1", pages(1), 8192);
        give(backup, "base/5/200", pages(1), 8192);
        give(backup, "base/5/300.1", pages(1), 8192);
        give(backup, "backup_label", text(LABEL), 100);
        give(
                backup,
                "global/pg_control",
                ControlFiles.bytes(PgVersion.V16, ControlFiles.checkPoint(9), false),
                100);
        backup.finish();
        assertEquals(131_074, relation(history, 1663, 5, 100, RelTag.MAIN));
        assertEquals(1, relation(history, 1663, 5, 200, RelTag.MAIN));
        assertEquals(-1, relation(history, 1663, 5, 300, RelTag.MAIN), "no first segment");
    }

    private static ErrorCode refused(Runnable action) {
        return assertThrows(PageserverException.class, action::run).code();
    }

    @Test
    void whatIsWrongIsRefused() {
        StoredHistory history = new StoredHistory(PgVersion.V16);
        assertEquals(ErrorCode.BAD_REQUEST, refused(() -> into(PgVersion.V16, history).finish()));
        assertEquals(
                ErrorCode.BAD_REQUEST,
                refused(() -> give(into(PgVersion.V16, history), "PG_VERSION", text("15\n"), 9)));
        assertEquals(
                ErrorCode.CORRUPTION,
                refused(() ->
                        give(
                                into(PgVersion.V16, history),
                                "global/pg_filenode.map",
                                new byte[512],
                                512)));
        assertEquals(
                ErrorCode.BAD_REQUEST,
                refused(() -> into(PgVersion.V16, history).file("pg_xact/0000", 33 * 8192)));
        assertEquals(
                ErrorCode.BAD_REQUEST,
                refused(() -> into(PgVersion.V16, history).file("base/5/77", (1L << 30) + 1)));
        BaseBackupImport cut = into(PgVersion.V16, history);
        cut.file("base/5/77", 8192);
        cut.content(new byte[100], 0, 100);
        assertEquals(ErrorCode.BAD_REQUEST, refused(cut::endFile));
        BaseBackupImport more = into(PgVersion.V16, history);
        more.file("base/5/77", 8192);
        assertEquals(ErrorCode.BAD_REQUEST, refused(() -> more.content(new byte[8193], 0, 8193)));
        BaseBackupImport elsewhere = new BaseBackupImport(PgVersion.V16, LSN + 8, history::commit);
        files(PgVersion.V16).forEach((name, content) -> give(elsewhere, name, content, 5000));
        assertEquals(ErrorCode.BAD_REQUEST, refused(elsewhere::finish));
        assertTrue(history.values().isEmpty(), "nothing was committed");
        assertNull(history.image(Keys.CONTROL_FILE));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "START WAL LOCATION: x\nCHECKPOINT LOCATION: 0/1", "START TIMELINE: z"})
    void aLabelThatSaysNothingIsCorruption(String label) {
        assertEquals(ErrorCode.CORRUPTION, refused(() -> BackupLabel.parse(text(label))));
    }
}
