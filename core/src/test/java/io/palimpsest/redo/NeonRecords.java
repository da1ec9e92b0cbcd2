package io.palimpsest.redo;

import io.palimpsest.base.Check;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.wal.Rmgr;
import java.util.HexFormat;

/**
 * Heap records of Neon's WAL, byte for byte as its headers lay them out: of 14 and 15 in HEAP and
 * HEAP2, of 16 and 17 in resource manager 134. All are of xid 900, and set xmax 901 (0x385).
 */
final class NeonRecords {
    /** What follows the header of a tuple in block data: a byte of padding, then "new". */
    private static final String NEW = "00 6e6577";

    private NeonRecords() {}

    static RedoContext context(PgVersion version) {
        return new RedoContext(version, WalOrigin.NEON, true);
    }

    private static boolean ownRmgr(PgVersion version) {
        Check.that(!version.atLeast(PgVersion.V18), "of 18 nothing is known");
        return version.atLeast(PgVersion.V16);
    }

    /** HEAP or HEAP2 with one info, or Neon's with another. */
    private static RecordValue record(PgVersion version, int rmid, int info, int neonInfo) {
        return ownRmgr(version)
                ? new RecordValue(Rmgr.NEON, neonInfo).xid(900)
                : new RecordValue(rmid, info).xid(900);
    }

    static byte[] hex(String text) {
        return HexFormat.of().parseHex(text.replace(" ", ""));
    }

    private static RecordValue parts(RecordValue record, String main, String data) {
        return record.main(m -> m.bytes(hex(main))).data(d -> d.bytes(hex(data)));
    }

    /** Of "new" as item 2, or 1 of a new page; command id 7. */
    static RecordValue insert(PgVersion version, int initFlag) {
        return parts(
                record(version, Rmgr.HEAP, initFlag, initFlag),
                initFlag != 0 ? "0100 00" : "0200 01",
                "0300 0208 07000000 18" + NEW);
    }

    /** Of item 1, command id 9, a combined one. */
    static RecordValue delete(PgVersion version) {
        return parts(
                record(version, Rmgr.HEAP, 0x10, 0x10),
                ownRmgr(version)
                        ? "85030000 0100 30 01 09000000"
                        : "85030000 0100 0000 09000000 30 01",
                "");
    }

    /**
     * Of item 1 to item 2 of new xmax 902; command id 11, combined, of the old tuple, 12 of the
     * new.
     */
    static RecordValue update(PgVersion version) {
        return parts(
                record(version, Rmgr.HEAP, 0x20, 0x20),
                "85030000 0100 30 00 0b000000 86030000 0200",
                "0100 0228 0c000000 18" + NEW);
    }

    /** As {@link #update}, HOT, with 1 byte of prefix and 2 of suffix, and a bitmap. */
    static RecordValue hotUpdate(PgVersion version) {
        return parts(
                record(version, Rmgr.HEAP, 0x40, 0x30),
                "85030000 0100 10 60 0b000000 86030000 0200",
                "0100 0200 0180 0328 0c000000 18 fe 5859");
    }

    /** Of item 1; command id 13. */
    static RecordValue lock(PgVersion version, int infobits) {
        String bits = String.format("%02x", infobits);
        return parts(
                record(version, Rmgr.HEAP, 0x60, 0x40),
                ownRmgr(version)
                        ? "85030000 0d000000 0100" + bits + "01"
                        : "85030000 0100 0000 0d000000" + bits + "01",
                "");
    }

    /**
     * Of "abc" and "de" as items 2 and 4, or 1 and 2 of a new page. Command ids 21 and 22 in 14 and
     * 15, 23 for both later. Between the two is a byte of padding.
     */
    static RecordValue multiInsert(PgVersion version, boolean starts) {
        int init = starts ? 0x80 : 0;
        String offsets = starts ? "" : "0200 0400";
        RecordValue record = record(version, Rmgr.HEAP2, 0x50 | init, 0x50 | init);
        return ownRmgr(version)
                ? parts(
                        record,
                        "02 00 0200 17000000" + offsets,
                        "0400 0200 0208 18 00 616263" + "00" + "0300 0200 0208 18 00 6465")
                : parts(
                        record,
                        "02 00 0200" + offsets,
                        "0400 0200 0208 0000 15000000 18 00 616263"
                                + "00"
                                + "0300 0200 0208 0000 16000000 18 00 6465");
    }

    /** Of item 1; the same in all versions. */
    static RecordValue lockUpdated() {
        return parts(new RecordValue(Rmgr.HEAP2, 0x60).xid(900), "85030000 0100 06 01", "");
    }
}
