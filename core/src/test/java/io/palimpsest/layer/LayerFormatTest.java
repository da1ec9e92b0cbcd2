package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A small file against the drawing in docs/formats.md, so that a change of format is noticed. */
class LayerFormatTest {
    private static final HexFormat HEX = HexFormat.of();

    private final MemoryDisk disk = new MemoryDisk();

    private LayerName write() {
        return write(7);
    }

    /** Of the block and the one after it. */
    private LayerName write(int block) {
        Key first = Key.of(0, 1663, 5, 16384, 0, block);
        List<History.Entry> entries =
                List.of(
                        new History.Entry(first, 0x108, new byte[] {0, 9}),
                        new History.Entry(first, 0x208, new byte[] {2}),
                        new History.Entry(first.next(), 0x110, new byte[] {1, 1, 10}));
        return History.writeDelta(
                disk,
                entries,
                KeyRange.ALL,
                new LsnRange(0x100, 0x300),
                History.limits(64 << 10, 0));
    }

    @Test
    void aSmallFileLooksAsDrawn() {
        byte[] b = disk.files.get(write().toString());
        String header =
                "504c4d4c41595231 0100 01 00 50000000 00000000000000010000000000000002 01 04 0000"
                        + "00000000000000030000000000000004 0001000000000000"
                        + "00000000000000000000000000000000";
        assertEquals(header.replace(" ", ""), HEX.formatHex(b, 0, 76));
        String entries =
                "00 00 0000067f 00000005 00004000 00 00000007 08 02 0009"
                        + "12 8002 01 02"
                        + "11 08 10 03 01010a"
                        + "00000000 01000000";
        String payload = entries.replace(" ", "");
        int n = payload.length() / 2;
        String frame = "%1$02x000000 %1$02x000000 00 01 0000".formatted(n).replace(" ", "");
        assertEquals(frame + payload, HEX.formatHex(b, 84, 96 + n));
        int index = 96 + n;
        String row =
                "00 0000067f 00000005 00004000 00 00000007 02 00 0801000000000000"
                        + "5000000000000000 %02x000000".formatted(16 + n);
        assertEquals(
                "28000000 28000000 00 02 0000".replace(" ", "") + row.replace(" ", ""),
                HEX.formatHex(b, index + 4, index + 56));
        int filter = index + 56;
        assertEquals(
                "40000000 40000000 00 04 0000".replace(" ", ""),
                HEX.formatHex(b, filter + 4, filter + 16));
        int ones = 0;
        for (int i = filter + 16; i < filter + 80; i++) {
            ones += Integer.bitCount(b[i] & 0xFF);
        }
        assertEquals(12, ones);
        int root = filter + 80;
        int footer = root + 56;
        assertEquals(footer + 256, b.length);
        long tie = Bytes.i64(b, footer + 216);
        byte[] rows = Arrays.copyOfRange(b, index + 16, index + 56);
        assertEquals(
                (long) Bytes.i32(b, 76) << 32 | LayerFormat.crc(rows, 0, 40) & 0xFFFFFFFFL, tie);
        assertEquals(
                LayerFormat.blockCrc(filter ^ tie, Arrays.copyOfRange(b, filter, root), 0, 80),
                Bytes.i32(b, filter));
        String tail =
                "%02x00000000000000 %02x01000000000000 0100000000000000 01000000"
                                .formatted(index, root & 0xFF)
                        + "00".repeat(18)
                        + "ff".repeat(18)
                        + "0001000000000000 0003000000000000"
                        + "0300000000000000 0200000000000000 0100000000000000 0200000000000000"
                        + "0200000000000000 0600000000000000 %02x00000000000000".formatted(n)
                        + "0801000000000000 0802000000000000"
                        + "%02x00000000000000 01000000".formatted(filter)
                        + "00 0000067f 00000005 00004000 00 00000007"
                        + "00 0000067f 00000005 00004000 00 00000008"
                        + "0000000000000000 0200000000000000"
                        + "%016x".formatted(Long.reverseBytes(tie))
                        + "00".repeat(8);
        assertEquals(tail.replace(" ", ""), HEX.formatHex(b, footer, footer + 232));
        assertEquals("504c4d4c454e4431", HEX.formatHex(b, footer + 248, footer + 256));
        assertEquals(LayerFormat.crc(b, 0, footer), Bytes.i32(b, footer + 232));
    }

    /** Its checksum and its place are good, but it is the filter of another layer. */
    @Test
    void theFilterOfAnotherLayerIsNotBelieved() {
        byte[] one = disk.files.get(write(7).toString()).clone();
        LayerName name = write(9);
        byte[] other = disk.files.get(name.toString());
        assertEquals(one.length, other.length);
        int footer = other.length - 256;
        int filter = (int) Bytes.i64(other, footer + 152);
        System.arraycopy(one, filter, other, filter, 80);
        try (LayerFile file = LayerFile.open(disk, name.toString(), name, cache())) {
            Reconstruction r = new Reconstruction();
            r.reset(1663, 5L << 32 | 16384, 9, 0x200);
            PageserverException e = assertThrows(PageserverException.class, () -> file.collect(r));
            assertEquals(ErrorCode.CORRUPTION, e.code());
            String where = name + " at offset " + filter + ": checksum";
            assertTrue(String.valueOf(e.getMessage()).startsWith(where), e.getMessage());
        }
    }

    /** One written before filters were tied to their layer. */
    @Test
    void anUntiedFilterIsRead() {
        LayerName name = write();
        byte[] b = disk.files.get(name.toString());
        int footer = b.length - 256;
        int filter = (int) Bytes.i64(b, footer + 152);
        byte[] block = Arrays.copyOfRange(b, filter, filter + 80);
        Bytes.putI32(b, filter, LayerFormat.blockCrc(filter, block, 0, 80));
        Bytes.putI64(b, footer + 216, 0);
        Bytes.putI32(b, footer + 232, LayerFormat.crc(b, 0, footer));
        Bytes.putI32(b, footer + 244, LayerFormat.crc(b, footer, 244));
        try (LayerFile file = LayerFile.open(disk, name.toString(), name, cache())) {
            file.verify();
            Reconstruction r = new Reconstruction();
            r.reset(1663, 5L << 32 | 16384, 7, 0x300 - 1);
            assertTrue(file.collect(r));
        }
    }

    /** The checksums are good and the content is not: a codec, a type, a version of tomorrow. */
    @Test
    void anotherVersionOrCodecIsRefusedByName() {
        LayerName name = write();
        byte[] good = disk.files.get(name.toString());
        byte[] version = good.clone();
        version[8] = 2;
        Bytes.putI32(version, 76, LayerFormat.crc(version, 0, 76));
        disk.files.put(name.toString(), version);
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> LayerFile.open(disk, name.toString(), name, cache()));
        assertTrue(
                String.valueOf(e.getMessage())
                        .startsWith(
                                name
                                        + " at offset 8: 'layer file' of format version 2; this server understands version 1:"),
                e.getMessage());

        byte[] codec = good.clone();
        codec[80 + 12] = 3;
        int length = 16 + Bytes.i32(codec, 84);
        byte[] block = Arrays.copyOfRange(codec, 80, 80 + length);
        Bytes.putI32(codec, 80, LayerFormat.blockCrc(80, block, 0, block.length));
        disk.files.put(name.toString(), codec);
        try (LayerFile file = LayerFile.open(disk, name.toString(), name, cache())) {
            Reconstruction r = new Reconstruction();
            r.reset(1663, 5L << 32 | 16384, 7, 0x200);
            PageserverException f = assertThrows(PageserverException.class, () -> file.collect(r));
            assertEquals(ErrorCode.CORRUPTION, f.code());
            assertEquals(
                    name + " at offset 80: codec, at most: expected 2, found 3", f.getMessage());
        }
    }

    private static BlockCache cache() {
        return new BlockCache(History.limits(64 << 10, 0));
    }
}
