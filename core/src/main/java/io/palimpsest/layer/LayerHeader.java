package io.palimpsest.layer;

import static io.palimpsest.layer.LayerFormat.wrong;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;

/**
 * The first bytes of a layer file: what is known before the first entry, and who wrote it. The
 * ranges are in the footer, because a compaction learns where it cuts only as it writes.
 *
 * <pre>
 *   0  8  magic "PLMLAYR1"
 *   8  u16 version 1
 *  10  u8 kind: 1 delta, 2 image
 *  11  u8 flags: 1 an image layer that is complete ({@link LayerDescriptor})
 *  12  u32 bytes of this header: 80
 *  16  16 tenant id
 *  32  u8 shard number
 *  33  u8 shard count, 0 if unsharded
 *  34  u16 0
 *  36  16 timeline id
 *  52  u64 base LSN: no entry is below it; an image's own LSN
 *  60  16 zeros
 *  76  u32 checksum of bytes 0..75
 * </pre>
 */
record LayerHeader(
        TenantShardId tenant, TimelineId timeline, boolean image, boolean complete, long baseLsn) {
    static final int BYTES = 80;
    private static final int CHECKSUM = 76;
    private static final int COMPLETE = 1;

    byte[] write() {
        byte[] b = new byte[BYTES];
        Bytes.putI64(b, 0, LayerFormat.MAGIC);
        Bytes.putU16(b, 8, LayerFormat.VERSION);
        Bytes.putU8(b, 10, image ? 2 : 1);
        Bytes.putU8(b, 11, complete ? COMPLETE : 0);
        Bytes.putI32(b, 12, BYTES);
        Bytes.putI64BE(b, 16, tenant.tenant().high());
        Bytes.putI64BE(b, 24, tenant.tenant().low());
        Bytes.putU8(b, 32, tenant.number());
        Bytes.putU8(b, 33, tenant.count());
        Bytes.putI64BE(b, 36, timeline.high());
        Bytes.putI64BE(b, 44, timeline.low());
        Bytes.putI64(b, 52, baseLsn);
        Bytes.putI32(b, CHECKSUM, LayerFormat.crc(b, 0, CHECKSUM));
        return b;
    }

    /** As written. */
    int checksum() {
        return Bytes.i32(write(), CHECKSUM);
    }

    static LayerHeader read(String file, byte[] b) {
        if (Bytes.i64(b, 0) != LayerFormat.MAGIC) {
            throw wrong(file, 0, "magic of a layer file", LayerFormat.MAGIC, Bytes.i64(b, 0));
        }
        int crc = LayerFormat.crc(b, 0, CHECKSUM);
        boolean whole = Bytes.i32(b, CHECKSUM) == crc;
        int version = Bytes.u16(b, 8);
        if (version != LayerFormat.VERSION) {
            throw whole
                    ? LayerFormat.wrongVersion(file, 8, version)
                    : wrong(file, 8, "format version", LayerFormat.VERSION, version);
        }
        if (!whole) {
            throw wrong(file, CHECKSUM, "header checksum", Bytes.i32(b, CHECKSUM), crc);
        }
        int kind = Bytes.u8(b, 10);
        if (kind != 1 && kind != 2) {
            throw wrong(file, 10, "layer kind", 1, kind);
        }
        int flags = Bytes.u8(b, 11);
        if (flags != 0 && (flags != COMPLETE || kind != 2)) {
            throw wrong(file, 11, "layer flags", 0, flags);
        }
        if (Bytes.i32(b, 12) != BYTES) {
            throw wrong(file, 12, "header length", BYTES, Bytes.i32(b, 12));
        }
        try {
            return new LayerHeader(
                    new TenantShardId(
                            new TenantId(Bytes.i64BE(b, 16), Bytes.i64BE(b, 24)),
                            Bytes.u8(b, 32),
                            Bytes.u8(b, 33)),
                    new TimelineId(Bytes.i64BE(b, 36), Bytes.i64BE(b, 44)),
                    kind == 2,
                    flags == COMPLETE,
                    Bytes.i64(b, 52));
        } catch (Check.Failed e) {
            throw wrong(file, 32, "shard", "number below count", String.valueOf(e.getMessage()));
        }
    }
}
