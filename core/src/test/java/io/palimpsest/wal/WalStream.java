package io.palimpsest.wal;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;

/** A WAL stream made by {@link WalWriter}, and what should be read from it. */
record WalStream(
        PgVersion version, long startLsn, int segmentSize, byte[] bytes, List<String> records) {
    static final long SYSTEM = 7_000_000_000_000_000_001L;
    static final int MIB = 1 << 20;
    static final int MAX_RECORD = 1 << 30;

    WalDecoder decoder() {
        return new WalDecoder(version, startLsn, segmentSize, SYSTEM, MAX_RECORD);
    }

    static WalWriter writer(PgVersion version, long startLsn, int segmentSize, long previous) {
        return new WalWriter(
                version, startLsn, segmentSize, SYSTEM, 3, previous, new ByteSink(1 << 16));
    }

    /**
     * Records of random kinds, their parts of at most {@code maxBytes}; page images from 1500 on.
     */
    static WalStream random(
            Prng random, PgVersion version, long start, int segmentSize, int count, int maxBytes) {
        WalWriter writer = writer(version, start, segmentSize, start - 8);
        List<String> records = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            records.add(append(random, writer, maxBytes));
        }
        return new WalStream(version, start, segmentSize, writer.out().toByteArray(), records);
    }

    private static String append(Prng random, WalWriter writer, int maxBytes) {
        StringBuilder text = new StringBuilder();
        int rmid = random.nextInt(Rmgr.LOGICALMSG) + 1;
        int info = random.nextInt(256);
        int xid = (int) random.nextLong();
        writer.begin(rmid, info, xid);
        int id = random.nextInt(3);
        int rel = 1000;
        StringBuilder blocks = new StringBuilder();
        while (random.nextInt(3) > 0 && id < WalRecord.MAX_BLOCKS) {
            rel += random.nextInt(2);
            int block = (int) random.nextLong();
            int fork = random.nextInt(4);
            writer.block(id, fork, 1663, 5, rel, block);
            byte[] data = bytes(random, Math.min(0xFFFF, maxBytes));
            writer.blockData(data, 0, data.length);
            blocks.append(
                    String.format(
                            " [%d %d 1663/5/%d %x data %s", id, fork, rel, block, digest(data)));
            if (maxBytes >= 1500 && random.oneIn(3)) {
                byte[] page = new byte[Page.SIZE];
                random.nextBytes(page, 0, page.length);
                Page.setLower(page, 24 + random.nextInt(4000));
                Page.setUpper(page, 4100 + random.nextInt(4000));
                boolean standard = random.nextBoolean();
                boolean apply = random.nextBoolean();
                writer.image(page, standard, apply);
                if (standard) {
                    Arrays.fill(page, Page.lower(page), Page.upper(page), (byte) 0);
                }
                blocks.append(" image ").append(apply).append(' ').append(digest(page));
            }
            if (random.oneIn(4)) {
                writer.willInit();
                blocks.append(" init");
            }
            blocks.append(']');
            id += 1 + random.nextInt(4);
        }
        int origin = random.oneIn(5) ? 1 + random.nextInt(60_000) : 0;
        int top = random.oneIn(5) ? (int) random.nextLong() | 1 : 0;
        writer.origin(origin);
        writer.topXid(top);
        byte[] main = bytes(random, maxBytes);
        writer.mainData(main);
        long prev = writer.previousLsn();
        long start = writer.end();
        text.append(
                String.format(
                        "%s..%s prev %s %s %02X %x origin %d top %x main %s%s",
                        Lsn.toString(start),
                        Lsn.toString(writer.position()),
                        Lsn.toString(prev),
                        Rmgr.name(rmid),
                        info,
                        xid,
                        origin,
                        top,
                        digest(main),
                        blocks));
        return text.toString();
    }

    /** Mostly short, at times up to {@code max}. */
    private static byte[] bytes(Prng random, int max) {
        int bound = random.oneIn(4) ? max : Math.min(max, 300);
        byte[] b = new byte[random.nextInt(bound + 1)];
        random.nextBytes(b, 0, b.length);
        return b;
    }

    /** The record in the words of {@link #records}. */
    static String text(WalRecord r) {
        StringBuilder text = new StringBuilder();
        text.append(
                String.format(
                        "%s..%s prev %s %s %02X %x origin %d top %x main %s",
                        Lsn.toString(r.startLsn()),
                        Lsn.toString(r.endLsn()),
                        Lsn.toString(r.prevLsn()),
                        Rmgr.name(r.rmid()),
                        r.info(),
                        r.xid(),
                        r.originId(),
                        r.topXid(),
                        digest(r.bytes(), r.mainOffset(), r.mainLength())));
        for (int i = 0; i < r.blockCount(); i++) {
            text.append(
                    String.format(
                            " [%d %d %d/%d/%d %x data %s",
                            r.blockId(i),
                            r.fork(i),
                            r.spc(i),
                            r.db(i),
                            r.rel(i),
                            r.blockNumber(i),
                            digest(r.bytes(), r.dataOffset(i), r.dataLength(i))));
            if (r.hasImage(i)) {
                text.append(" image ").append(r.appliesImage(i)).append(' ');
                text.append(digest(image(r, i)));
            }
            text.append(r.willInit(i) ? " init]" : "]");
        }
        return text.toString();
    }

    static byte[] image(WalRecord r, int i) {
        byte[] page = new byte[Page.SIZE];
        PageImage.restore(
                r.bytes(),
                r.imageOffset(i),
                r.imageLength(i),
                r.imageFlags(i),
                r.holeOffset(i),
                r.holeLength(i),
                page);
        return page;
    }

    private static String digest(byte[] b) {
        return digest(b, 0, b.length);
    }

    static String digest(byte[] b, int at, int length) {
        CRC32C crc = new CRC32C();
        crc.update(b, at, length);
        return length + ":" + Long.toHexString(crc.getValue());
    }

    /** All records that come of the bytes fed at once. */
    static List<String> drain(WalDecoder decoder) {
        List<String> found = new ArrayList<>();
        WalRecord record = new WalRecord();
        while (decoder.next(record)) {
            found.add(text(record));
        }
        return found;
    }

    /** The record's CRC made right again after its bytes were changed. */
    static void fixCrc(byte[] b, int at, int length) {
        CRC32C crc = new CRC32C();
        crc.update(b, at + WalRecord.HEADER, length - WalRecord.HEADER);
        crc.update(b, at, 20);
        Bytes.putI32(b, at + 20, (int) crc.getValue());
    }
}
