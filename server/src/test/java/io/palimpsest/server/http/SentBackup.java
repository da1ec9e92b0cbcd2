package io.palimpsest.server.http;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Lsn;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.wal.BootWal;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32C;

/** A small base backup of 17 as an archive, and what would be wrong with one. */
final class SentBackup {
    static final PgVersion VERSION = PgVersion.V17;
    static final long START = 0x300_0028;
    static final long SYSTEM = 7_576_021_984_203_157_541L;
    static final int SEGMENT = 16 << 20;

    /** End of the checkpoint's record that {@link #segment} has at the start. */
    static final long END = START + 120;

    final Map<String, byte[]> files = new LinkedHashMap<>();

    SentBackup() {
        files.put("PG_VERSION", text("17\n"));
        files.put("backup_label", label(START));
        files.put("base/5/PG_VERSION", text("17\n"));
        files.put("base/5/16384", new byte[3 * Page.SIZE]);
        files.put("pg_xact/0000", new byte[Page.SIZE]);
        files.put("global/pg_control", control(true));
    }

    static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] label(long start) {
        String lsn = Lsn.toString(start);
        return text(
                "START WAL LOCATION: "
                        + lsn
                        + " (file x)\nCHECKPOINT LOCATION: "
                        + lsn
                        + "\nSTART TIMELINE: 1\n");
    }

    private static CheckPoint checkPoint() {
        CheckPoint c = CheckPoint.read(new byte[CheckPoint.BYTES], 0);
        c.setRedo(START);
        c.setNextXid(800);
        c.setOldestXid(3, 1);
        c.setNextMulti(1);
        c.setNextMultiOffset(1);
        c.setOldestMulti(1, 1);
        c.setTimelines(1, 1);
        return c;
    }

    /** Of a cluster that runs. */
    static byte[] control(boolean checksums) {
        byte[] b = new byte[ControlFile.BYTES];
        Bytes.putI64(b, 0, SYSTEM);
        Bytes.putI32(b, 8, VERSION.controlVersion());
        Bytes.putI32(b, 12, VERSION.catalogVersion());
        Bytes.putI32(b, 16, 6);
        Bytes.putI64(b, 32, START);
        System.arraycopy(checkPoint().toBytes(), 0, b, 40, CheckPoint.BYTES);
        Bytes.putI32(b, 204, 8);
        Bytes.putF64(b, 208, 1234567.0);
        Bytes.putI32(b, 216, Page.SIZE);
        Bytes.putI32(b, 220, 131_072);
        Bytes.putI32(b, 224, Page.SIZE);
        Bytes.putI32(b, 228, SEGMENT);
        Bytes.putI32(b, 252, checksums ? 1 : 0);
        CRC32C crc = new CRC32C();
        crc.update(b, 0, 288);
        Bytes.putI32(b, 288, (int) crc.getValue());
        return b;
    }

    /** The archive, whole. */
    byte[] tar() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        files.forEach((name, content) -> member(out, name, '0', content.length, "", content));
        out.writeBytes(new byte[1024]);
        return out.toByteArray();
    }

    /** The archive with one more member, of any kind, before its end. */
    byte[] tarWith(String name, char type, long size, String link, byte[] content) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(Arrays.copyOf(tar(), tar().length - 1024));
        member(out, name, type, size, link, content);
        out.writeBytes(new byte[1024]);
        return out.toByteArray();
    }

    private static void member(
            ByteArrayOutputStream out,
            String name,
            char type,
            long size,
            String link,
            byte[] content) {
        byte[] h = new byte[512];
        put(h, 0, name);
        put(h, 100, "0000600\0");
        put(h, 124, String.format("%011o", size));
        put(h, 136, "00000000000");
        put(h, 148, "        ");
        h[156] = (byte) type;
        put(h, 157, link);
        put(h, 257, "ustar\00000");
        int sum = 0;
        for (byte b : h) {
            sum += b & 0xFF;
        }
        put(h, 148, String.format("%06o\0 ", sum));
        out.writeBytes(h);
        out.writeBytes(content);
        out.writeBytes(new byte[-content.length & 511]);
    }

    private static void put(byte[] h, int at, String text) {
        byte[] b = text.getBytes(StandardCharsets.UTF_8);
        System.arraycopy(b, 0, h, at, b.length);
    }

    /** A segment that has a checkpoint's record at the start of the backup, and nothing more. */
    static byte[] segment(long system) {
        ByteSink sink = new ByteSink(SEGMENT);
        new BootWal(VERSION, START, SEGMENT, system, 0x200_0028, checkPoint())
                .write(
                        0,
                        new BootWal.Sink() {
                            @Override
                            public void bytes(byte[] bytes, int offset, int length) {
                                sink.bytes(bytes, offset, length);
                            }

                            @Override
                            public void zeros(long count) {
                                for (long i = 0; i < count; i++) {
                                    sink.u8(0);
                                }
                            }
                        });
        return sink.toByteArray();
    }

    /** An archive of one file. */
    static byte[] tar(String name, byte[] content) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        member(out, name, '0', content.length, "", content);
        out.writeBytes(new byte[1024]);
        return out.toByteArray();
    }
}
