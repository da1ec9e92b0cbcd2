package io.palimpsest.wal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.airlift.compress.v3.lz4.Lz4JavaCompressor;
import io.airlift.compress.v3.zstd.ZstdJavaCompressor;
import io.palimpsest.base.ByteSink;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class PageImageTest {
    private static final int[] METHODS = {PageImage.PGLZ, PageImage.LZ4, PageImage.ZSTD};

    /** Every compressed image of a real server is a page whose hole is where its header says. */
    @ParameterizedTest
    @CsvSource({"pg14-pglz, 4", "pg18-pglz, 4", "pg15-lz4, 8", "pg15-zstd, 16"})
    void imagesOfRealServersAreRestored(String name, int method) {
        RecordedWal wal = RecordedWal.load(name);
        WalDecoder decoder =
                new WalDecoder(
                        PgVersion.ofMajor(wal.major()),
                        wal.startLsn(),
                        wal.segmentSize(),
                        wal.systemIdentifier(),
                        1 << 30);
        decoder.feed(wal.bytes(), 0, wal.bytes().length);
        WalRecord r = new WalRecord();
        Prng random = new Prng(1);
        int compressed = 0;
        while (decoder.next(r)) {
            for (int i = 0; i < r.blockCount(); i++) {
                if ((r.imageFlags(i) & method) == 0) {
                    continue;
                }
                compressed++;
                byte[] page = WalStream.image(r, i);
                if (r.holeLength(i) > 0) {
                    assertEquals(0x2004, page[18] & 0xFF | (page[19] & 0xFF) << 8);
                    assertEquals(r.holeOffset(i), Page.lower(page));
                    assertEquals(r.holeOffset(i) + r.holeLength(i), Page.upper(page));
                }
                byte[] stored =
                        Arrays.copyOfRange(
                                r.bytes(), r.imageOffset(i), r.imageOffset(i) + r.imageLength(i));
                for (int k = 0; k < 2; k++) {
                    damaged(random, stored, method, Page.SIZE - r.holeLength(i));
                }
            }
        }
        assertTrue(compressed > 30, name + ": " + compressed + " compressed images");
    }

    @Property(tries = 150)
    void whatIsCompressedIsRestored(
            @ForAll long seed, @ForAll @IntRange(min = 0, max = 2) int method) {
        Prng random = new Prng(seed);
        byte[] page = page(random);
        int lower = Page.lower(page);
        int hole = Page.upper(page) - lower;
        byte[] raw = new byte[Page.SIZE - hole];
        System.arraycopy(page, 0, raw, 0, lower);
        System.arraycopy(page, lower + hole, raw, lower, raw.length - lower);
        byte[] stored = compress(raw, METHODS[method]);
        byte[] found = new byte[Page.SIZE];
        new Prng(1).nextBytes(found, 0, found.length);
        PageImage.restore(
                stored, 0, stored.length, METHODS[method] | PageImage.HAS_HOLE, lower, hole, found);
        assertArrayEquals(page, found);
        for (int i = 0; i < 20; i++) {
            damaged(random, stored, METHODS[method], raw.length);
        }
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () ->
                                PageImage.restore(
                                        stored,
                                        0,
                                        stored.length,
                                        METHODS[method] | PageImage.HAS_HOLE,
                                        lower,
                                        hole + 1,
                                        found));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    /** Damage gives CORRUPTION or some page, never another exception. */
    private static void damaged(Prng random, byte[] stored, int method, int raw) {
        byte[] b = stored.clone();
        for (int i = random.nextInt(4); i >= 0; i--) {
            b[random.nextInt(b.length)] = (byte) random.nextLong();
        }
        int length = random.oneIn(3) ? random.nextInt(b.length + 1) : b.length;
        byte[] page = new byte[Page.SIZE];
        int hole = Page.SIZE - raw;
        int flags = method | (hole > 0 ? PageImage.HAS_HOLE : 0);
        try {
            PageImage.restore(b, 0, length, flags, hole > 0 ? 24 : 0, hole, page);
        } catch (PageserverException e) {
            assertEquals(ErrorCode.CORRUPTION, e.code());
        }
    }

    @Test
    void anUncompressedImageHasExactlyItsLength() {
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () ->
                                PageImage.restore(
                                        new byte[Page.SIZE],
                                        0,
                                        Page.SIZE,
                                        PageImage.HAS_HOLE,
                                        24,
                                        8,
                                        new byte[Page.SIZE]));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    @Test
    void flagsOf14AreTranslatedThereAndBack() {
        for (PgVersion version : PgVersion.values()) {
            int all = version == PgVersion.V14 ? 8 : 32;
            for (int info = 0; info < all; info++) {
                assertEquals(info, PageImage.info(PageImage.flags(info, version), version));
            }
        }
        assertEquals(PageImage.PGLZ, PageImage.flags(2, PgVersion.V14));
        assertEquals(PageImage.APPLY, PageImage.flags(2, PgVersion.V15));
    }

    /** Known bytes: a literal "ab", then a copy of 2 back for 18 + 5 bytes, then "c". */
    @Test
    void pglzByHand() {
        byte[] stored = {0b0000_0100, 'a', 'b', 0x0F, 0x02, 5, 'c'};
        byte[] to = new byte[26];
        assertEquals(26, Pglz.decompress(stored, 0, stored.length, to));
        assertEquals(
                "ab".repeat(12) + "ac", new String(to, java.nio.charset.StandardCharsets.US_ASCII));
    }

    private static byte[] page(Prng random) {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, random.nextInt(20));
        int at = Page.upper(page);
        int lower = Page.HEADER + 4 * (1 + random.nextInt(200));
        Page.setLower(page, lower);
        int upper = lower + 1 + random.nextInt(at - lower);
        Page.setUpper(page, upper);
        for (int i = upper; i < Page.SIZE; ) {
            int run = Math.min(1 + random.nextInt(300), Page.SIZE - i);
            if (random.nextBoolean()) {
                Arrays.fill(page, i, i + run, (byte) random.nextInt(5));
            } else {
                random.nextBytes(page, i, run);
            }
            i += run;
        }
        return page;
    }

    private static byte[] compress(byte[] raw, int method) {
        return switch (method) {
            case PageImage.PGLZ -> pglz(raw);
            case PageImage.LZ4 -> {
                Lz4JavaCompressor lz4 = new Lz4JavaCompressor();
                byte[] out = new byte[lz4.maxCompressedLength(raw.length)];
                yield Arrays.copyOf(out, lz4.compress(raw, 0, raw.length, out, 0, out.length));
            }
            default -> {
                ZstdJavaCompressor zstd = new ZstdJavaCompressor();
                byte[] out = new byte[zstd.maxCompressedLength(raw.length)];
                yield Arrays.copyOf(out, zstd.compress(raw, 0, raw.length, out, 0, out.length));
            }
        };
    }

    /** A simple compressor to the format: the longest copy from one byte back, else a literal. */
    private static byte[] pglz(byte[] raw) {
        ByteSink out = new ByteSink(raw.length * 2);
        int control = 0;
        int bit = 8;
        for (int i = 0; i < raw.length; bit++) {
            if (bit == 8) {
                control = out.size();
                out.u8(0);
                bit = 0;
            }
            int run = 0;
            while (i > 0 && i + run < raw.length && raw[i + run] == raw[i - 1] && run < 273) {
                run++;
            }
            if (run < 3) {
                out.u8(raw[i++]);
                continue;
            }
            out.array()[control] |= (byte) (1 << bit);
            out.u8(run >= 18 ? 15 : run - 3);
            out.u8(1);
            if (run >= 18) {
                out.u8(run - 18);
            }
            i += run;
        }
        return out.toByteArray();
    }
}
