package io.palimpsest.wal;

import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;

/**
 * Where the parts of heap records are that are not in one place everywhere. Offsets are from the
 * start of main data, but for the tuple headers in block data; 0 stands for what a record has not.
 * Flags follow infobits in every layout.
 *
 * <pre>
 *               STOCK                    NEON_HEAP (14, 15)        NEON_RECORDS (rmgr 134; 16, 17)
 * DELETE        0 u32 xmax               0 u32 xmax                0 u32 xmax
 *               4 u16 offset number      4 u16 offset number       4 u16 offset number
 *               6 u8 infobits, u8 flags  6 u16 pad                 6 u8 infobits, u8 flags
 *                                        8 u32 command id          8 u32 command id
 *                                       12 u8 infobits, u8 flags
 * UPDATE        0 u32 old xmax           as STOCK                  as STOCK
 *               4 u16 old offset number
 *               6 u8 infobits, u8 flags
 *               8 u32 new xmax           8 u32 old command id      8 u32 old command id
 *              12 u16 new offset number 12 u32 new xmax           12 u32 new xmax
 *                                       16 u16 new offset number  16 u16 new offset number
 * LOCK          0 u32 xmax               0 u32 xmax                0 u32 xmax
 *               4 u16 offset number      4 u16 offset number       4 u32 command id
 *               6 u8 infobits, u8 flags  6 u16 pad                 8 u16 offset number
 *                                        8 u32 command id         10 u8 infobits, u8 flags
 *                                       12 u8 infobits, u8 flags
 * MULTI_INSERT  0 u8 flags, u8 pad       as STOCK                  0 u8 flags, u8 pad
 *               2 u16 tuples                                       2 u16 tuples
 *               4 u16 offset number...                             4 u32 command id of all
 *                                                                  8 u16 offset number...
 * header of     0 u16 infomask2          0 u16 infomask2           0 u16 infomask2
 * INSERT's,     2 u16 infomask           2 u16 infomask            2 u16 infomask
 * UPDATE's      4 u8 hoff                4 u32 command id          4 u32 command id
 * tuple                                  8 u8 hoff                 8 u8 hoff
 * header of a   0 u16 length             0 u16 length              as STOCK
 * tuple of      2 u16 infomask2          2 u16 infomask2
 * MULTI_INSERT  4 u16 infomask           4 u16 infomask
 *               6 u8 hoff                6 u16 pad
 *                                        8 u32 command id
 *                                       12 u8 hoff
 * </pre>
 *
 * INSERT's main data, LOCK_UPDATED, and all that is not named are the same everywhere. With a
 * command id, bit 0x20 of infobits says that it is a combined one; WAL from before Neon logged that
 * bit has it clear.
 *
 * <p>Source: PostgreSQL's heapam_xlog.h; that of Neon's fork and its neon_xlog.h.
 *
 * @param deleteLength bytes of main data, without an old tuple that may follow
 * @param updateLength as {@code deleteLength}
 * @param updateNewXmax what follows it is the new offset number
 * @param tupleCommandId in the header of INSERT's and UPDATE's tuple
 * @param tupleHeader bytes of that header, the last is hoff
 * @param multiTupleCommandId in the header of a tuple of MULTI_INSERT
 * @param multiTupleHeader bytes of that header, the last is hoff
 */
public record HeapLayout(
        int deleteLength,
        int deleteInfobits,
        int deleteCommandId,
        int updateLength,
        int updateCommandId,
        int updateNewXmax,
        int lockLength,
        int lockOffset,
        int lockInfobits,
        int lockCommandId,
        int multiCommandId,
        int multiOffsets,
        int tupleCommandId,
        int tupleHeader,
        int multiTupleCommandId,
        int multiTupleHeader) {

    /** HEAP and HEAP2, but those of Neon's 14 and 15. */
    public static final HeapLayout STOCK =
            new HeapLayout(8, 6, 0, 14, 0, 8, 8, 4, 6, 0, 0, 4, 0, 5, 0, 7);

    /** HEAP and HEAP2 of Neon's 14 and 15. */
    public static final HeapLayout NEON_HEAP =
            new HeapLayout(14, 12, 8, 18, 8, 12, 14, 4, 12, 8, 0, 4, 4, 9, 8, 13);

    /** Resource manager 134 of Neon's 16 and 17. */
    public static final HeapLayout NEON_RECORDS =
            new HeapLayout(12, 6, 8, 18, 8, 12, 12, 8, 10, 4, 4, 8, 4, 9, 0, 7);

    /** The layout of HEAP and HEAP2 records. */
    public static HeapLayout of(PgVersion version, WalOrigin origin) {
        return origin.altersHeapRecords(version) ? NEON_HEAP : STOCK;
    }
}
