package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TimelineIndexTest {
    private static TimelineIndex index(WalOrigin origin) {
        return new TimelineIndex(
                TenantShardId.parse("7a1f0c4e5d6b48a99e0f112233445566"),
                TimelineId.parse("d87061ac791d44a963416f8fe634a26c"),
                Generation.FIRST,
                PgVersion.V15,
                origin,
                -2,
                1 << 24,
                3,
                null,
                0x300_0120L,
                0xA00_DBF8L,
                0xA00_DB80L,
                List.of());
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** The text with a right checksum as its last line. */
    private static byte[] sealed(String body) {
        CRC32C crc = new CRC32C();
        crc.update(body.getBytes(StandardCharsets.UTF_8));
        return (body + String.format("crc32c %08x%n", crc.getValue()).replace("\r", ""))
                .getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void oneFactALine() {
        String body =
                """
                palimpsest timeline index 1
                tenant 7a1f0c4e5d6b48a99e0f112233445566
                timeline d87061ac791d44a963416f8fe634a26c
                generation 00000001
                postgres 15
                origin neon
                system_identifier 18446744073709551614
                segment_size 16777216
                wal_timeline 3
                ancestor none
                oldest_readable_lsn 0/3000120
                disk_consistent_lsn 0/A00DBF8
                prev_record_lsn 0/A00DB80
                """;
        assertEquals(text(sealed(body)), text(index(WalOrigin.NEON).encode()));
        assertEquals(index(WalOrigin.NEON), TimelineIndex.decode(sealed(body), "index"));
    }

    /** Any byte, any change, also to what is no UTF-8: an error that names the file. */
    @Test
    void noChangedOrCutIndexPasses() {
        byte[] good = index(WalOrigin.STOCK).encode();
        for (int at = 0; at < good.length; at++) {
            for (int change : new int[] {1, 0x80, 0xFF}) {
                byte[] b = good.clone();
                b[at] ^= (byte) change;
                refused(b);
                Arrays.fill(b, at, b.length, (byte) 0xFF);
                refused(b);
            }
            refused(Arrays.copyOf(good, at));
        }
        refused(sealed("palimpsest timeline index 1\ntenant 7\n"));
        refused(
                sealed(
                        text(good)
                                .substring(0, text(good).indexOf("crc32c"))
                                .replace("segment_size 16777216", "segment_size many")));
    }

    private static void refused(byte[] bytes) {
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> TimelineIndex.decode(bytes, "x/index"),
                        () -> text(bytes));
        assertEquals(ErrorCode.CORRUPTION, e.code(), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains("x/index"), e.getMessage());
    }

    @ParameterizedTest
    @EnumSource(WalOrigin.class)
    void theOriginIsReadBackAndStaysWhatItIs(WalOrigin origin) {
        TimelineIndex index = index(origin);
        assertEquals(index, TimelineIndex.decode(index.encode(), "index"));
        assertEquals(origin, index.readable(5, 6).origin());
        assertEquals(origin, index.withLayers(List.of(), 7, 8).origin());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "origin NEON\n", "origin\n", "origin neon \n", "origin zenith\n"})
    void anOriginThatIsNoneIsCorruption(String line) {
        String body = text(index(WalOrigin.NEON).encode());
        byte[] bytes =
                sealed(body.substring(0, body.indexOf("crc32c")).replace("origin neon\n", line));
        PageserverException e =
                assertThrows(PageserverException.class, () -> TimelineIndex.decode(bytes, "index"));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    @Test
    void anyOtherByteIsCorruption() {
        byte[] bytes = index(WalOrigin.STOCK).encode();
        for (int i = 0; i < bytes.length; i++) {
            byte[] damaged = bytes.clone();
            damaged[i] ^= 1;
            assertThrows(PageserverException.class, () -> TimelineIndex.decode(damaged, "index"));
        }
        assertArrayEquals(bytes, index(WalOrigin.STOCK).encode());
    }
}
