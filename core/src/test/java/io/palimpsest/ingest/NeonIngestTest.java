package io.palimpsest.ingest;

import static io.palimpsest.base.Bytes.i32;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.HeapTuple;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.wal.Rmgr;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Visibility-map bits cleared by Neon's heap records, byte for byte as its headers lay them out;
 * none of them is from a Neon that ran.
 */
class NeonIngestTest {
    private static final int REL = Ingesting.REL;

    private static byte[] hex(String text) {
        return HexFormat.of().parseHex(text.replace(" ", ""));
    }

    private static Ingesting withVisibleMap(PgVersion version) {
        Ingesting wal = new Ingesting(version, WalOrigin.NEON);
        byte[] map = new byte[Page.SIZE];
        Page.init(map, 0);
        Arrays.fill(map, Page.HEADER, Page.SIZE, (byte) 0xFF);
        wal.begin(Rmgr.XLOG, XlogInfo.FPI, 0).block(0, RelTag.VM, REL, 0).image(map).end();
        return wal;
    }

    private static byte[] page() {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 0);
        return page;
    }

    private static int bits(Ingesting wal, int heapBlock, long lsn) {
        byte[] map = wal.page(REL, RelTag.VM, 0, lsn);
        return map[VisibilityMap.mapByte(heapBlock)] >> VisibilityMap.shift(heapBlock) & 3;
    }

    /** F is the byte of flags; all other bytes of it and around it are zeros or ones. */
    @ParameterizedTest
    @CsvSource({
        "14, 10, 0x00, 0, 0200 F",
        "14, 10, 0x10, 0, 85030000 0100 ffff ffffffff ff F",
        "14, 10, 0x60, 1, 85030000 0100 ffff ffffffff ff F",
        "14, 9,  0x50, 0, F ff 0100 0200",
        "14, 9,  0x60, 1, 85030000 0100 ff F",
        "15, 10, 0x00, 0, 0200 F",
        "15, 10, 0x10, 0, 85030000 0100 0000 00000000 00 F 0100",
        "15, 10, 0x60, 1, 85030000 0100 0000 00000000 00 F",
        "15, 9,  0xD0, 0, F 00 0100",
        "15, 9,  0x60, 1, 85030000 0100 00 F",
        "16, 134, 0x00, 0, 0200 F",
        "16, 134, 0x10, 0, 85030000 0100 ff F ffffffff",
        "16, 134, 0x40, 1, 85030000 ffffffff 0100 ff F",
        "16, 134, 0x50, 0, F ff 0100 ffffffff 0200",
        "16, 9,   0x60, 1, 85030000 0100 ff F",
        "16, 10,  0x10, 0, 85030000 0100 ff F",
        "16, 10,  0x60, 1, 85030000 0100 ff F",
        "17, 134, 0x80, 0, 0200 F",
        "17, 134, 0x10, 0, 85030000 0100 00 F 00000000",
        "17, 134, 0x40, 1, 85030000 00000000 0100 00 F",
        "17, 134, 0xD0, 0, F 00 0100 00000000",
        "17, 9,   0x50, 0, F 00 0100 0200"
    })
    void flagsClearBits(int major, int rmid, String info, int left, String main) {
        Ingesting wal = withVisibleMap(PgVersion.ofMajor(major));
        for (int block = 0; block < 2; block++) {
            wal.begin(rmid, Integer.decode(info), 700)
                    .block(0, RelTag.MAIN, REL, block)
                    .image(page())
                    .main(hex(main.replace("F", block == 0 ? "01" : "00")));
            long lsn = wal.end();
            assertEquals(left, bits(wal, 0, lsn));
            assertEquals(3, bits(wal, 1, lsn), "without the flag");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "14, 10, 0x20", "14, 10, 0x40", "15, 10, 0x20", "15, 10, 0x40",
        "16, 134, 0x20", "16, 134, 0x30", "17, 134, 0x20", "17, 134, 0x30",
    })
    void updatesClearOldAndNew(int major, int rmid, String info) {
        Ingesting wal = withVisibleMap(PgVersion.ofMajor(major));
        for (int flags = 0; flags <= 3; flags++) {
            int block = 10 * flags;
            wal.begin(rmid, Integer.decode(info), 700)
                    .block(0, RelTag.MAIN, REL, block)
                    .image(page())
                    .block(1, RelTag.MAIN, REL, block + 1)
                    .image(page())
                    .main(hex("85030000 0100 ff 0" + flags + " 0b000000 86030000 0200"));
            long lsn = wal.end();
            assertEquals((flags & 2) != 0 ? 0 : 3, bits(wal, block, lsn), "new");
            assertEquals((flags & 1) != 0 ? 0 : 3, bits(wal, block + 1, lsn), "old");
        }
    }

    /** What a running transaction wrote is read back with its command ids. */
    @ParameterizedTest
    @EnumSource(value = PgVersion.class, names = "V18", mode = EnumSource.Mode.EXCLUDE)
    void pagesKeepCommandIds(PgVersion version) {
        boolean own = version.atLeast(PgVersion.V16);
        Ingesting wal = new Ingesting(version, WalOrigin.NEON);
        long inserted =
                wal.begin(own ? Rmgr.NEON : Rmgr.HEAP, 0x80, 700)
                        .block(0, RelTag.MAIN, REL, 0)
                        .init()
                        .data(hex("0300 0208 07000000 18 00 6e6577"))
                        .main(hex("0100 00"))
                        .end();
        long deleted =
                wal.begin(own ? Rmgr.NEON : Rmgr.HEAP, 0x10, 700)
                        .block(0, RelTag.MAIN, REL, 0)
                        .main(
                                hex(
                                        own
                                                ? "bc020000 0100 20 00 09000000"
                                                : "bc020000 0100 0000 09000000 20 00"))
                        .end();
        assertCommandId(7, 0, wal.page(REL, RelTag.MAIN, 0, inserted));
        assertCommandId(9, HeapTuple.COMBOCID, wal.page(REL, RelTag.MAIN, 0, deleted));
    }

    private static void assertCommandId(int commandId, int combined, byte[] page) {
        int tuple = HeapTuple.at(page, 1);
        assertEquals(commandId, i32(page, tuple + 8));
        assertEquals(combined, HeapTuple.infomask(page, tuple) & HeapTuple.COMBOCID);
    }

    @ParameterizedTest
    @CsvSource({
        "15, NEON, 0x10",
        "18, NEON, 0x00",
        "16, NEON, 0x60",
        "17, NEON, 0x70",
        "16, NEON, 0xE0",
        "15, STOCK, 0x00",
        "16, STOCK, 0x00",
        "17, STOCK, 0x50",
        "18, STOCK, 0x00",
    })
    void otherRecordsOfTheResourceManagerAreRefused(int major, WalOrigin origin, String info) {
        Ingesting wal = new Ingesting(PgVersion.ofMajor(major), origin);
        wal.begin(Rmgr.NEON, Integer.decode(info), 700).longs(0, 0, 0, 0);
        PageserverException e = assertThrows(PageserverException.class, wal::end);
        assertEquals(ErrorCode.UNSUPPORTED, e.code());
    }

    /** Main data one byte short of what is looked at. */
    @ParameterizedTest
    @CsvSource({
        "14, 10, 0x10, 13", "15, 10, 0x60, 13", "15, 10, 0x20, 17", "15, 10, 0x40, 17",
        "16, 134, 0x00, 2", "16, 134, 0x10, 7", "16, 134, 0x20, 17", "17, 134, 0x30, 17",
        "17, 134, 0x40, 11", "17, 134, 0x50, 0",
    })
    void recordsCutShortAreCorruption(int major, int rmid, String info, int length) {
        Ingesting wal = new Ingesting(PgVersion.ofMajor(major), WalOrigin.NEON);
        wal.begin(rmid, Integer.decode(info), 700)
                .block(0, RelTag.MAIN, REL, 0)
                .image(page())
                .main(new byte[length]);
        PageserverException e = assertThrows(PageserverException.class, wal::end);
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }
}
