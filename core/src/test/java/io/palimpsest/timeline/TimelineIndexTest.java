package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Label;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.value.Keys;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TimelineIndexTest {
    private static final TenantShardId TENANT =
            TenantShardId.parse("7a1f0c4e5d6b48a99e0f112233445566");

    private static TimelineIndex index(WalOrigin origin) {
        return new TimelineIndex(
                new TimelineIndex.Identity(
                        TENANT,
                        TimelineId.parse("d87061ac791d44a963416f8fe634a26c"),
                        Generation.FIRST,
                        PgVersion.V15,
                        origin,
                        -2,
                        1 << 24,
                        3),
                new TimelineIndex.Ancestor(
                        TimelineId.parse("a87061ac791d44a963416f8fe634a26c"), 0x200_0000L),
                List.of(0x100_0000L, 0x180_0000L),
                new TimelineState.Archived(1_700_000_000_000L),
                BranchProperties.NONE,
                0x300_0120L,
                List.of(new Lease(0x200_0008L, 5), new Lease(0x300_0120L, 1_800_000_000_000L)),
                0xA00_DBF8L,
                0xA00_DB80L,
                List.of(
                        new LayerDescriptor(
                                LayerName.delta(
                                        KeyRange.ALL,
                                        new LsnRange(0x200_0001L, 0xA00_DBF9L),
                                        TENANT,
                                        Generation.FIRST),
                                4711,
                                false),
                        new LayerDescriptor(
                                LayerName.image(
                                        new KeyRange(Keys.CONTROL_FILE, Keys.CONTROL_FILE.next()),
                                        0x300_0120L,
                                        TENANT,
                                        Generation.FIRST),
                                512,
                                true)),
                List.of(
                        LayerName.delta(
                                KeyRange.ALL,
                                new LsnRange(0x200_0001L, 0x300_0001L),
                                TENANT,
                                Generation.FIRST),
                        LayerName.image(KeyRange.ALL, 0x300_0000L, TENANT, Generation.FIRST)));
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
                ancestor a87061ac791d44a963416f8fe634a26c 0/2000000
                adopted 0/1000000
                adopted 0/1800000
                state archived 1700000000000
                oldest_readable_lsn 0/3000120
                lease 0/2000008 5
                lease 0/3000120 1800000000000
                disk_consistent_lsn 0/A00DBF8
                prev_record_lsn 0/A00DB80
                layer 000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__0000000002000001-000000000A00DBF9-00000001 4711
                layer 080000000000000000000000000000000000-080000000000000000000000000000000001__0000000003000120-00000001 512 complete
                removed 000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__0000000002000001-0000000003000001-00000001
                removed 000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__0000000003000000-00000001
                """;
        assertEquals(text(sealed(body)), text(TimelineIndexText.encode(index(WalOrigin.NEON))));
        assertEquals(index(WalOrigin.NEON), TimelineIndexText.decode(sealed(body), "index"));
    }

    private static BranchProperties properties() {
        return new BranchProperties(
                new BranchProperties.Title(new Label("preview/pr-7"), 12),
                true,
                1_800_000_000_000L,
                List.of(
                        new NamedPoint(new Label("late"), 0x300_0120L, 8, false),
                        new NamedPoint(new Label("before_migration"), 0x200_0008L, 7, true)));
    }

    /** Pins the third version: a server that does not know ends of pins refuses it. */
    @Test
    void anEndOfAPinMakesItTheThirdVersion() {
        TimelineIndex second = index(WalOrigin.STOCK).having(properties());
        TimelineIndex index =
                second.having(
                        properties()
                                .with(
                                        properties()
                                                .point(new Label("before_migration"))
                                                .pinnedUntil(1_900_000_000_000L)));
        String body = text(TimelineIndexText.encode(second));
        body =
                body.substring(0, body.indexOf("crc32c"))
                        .replace("timeline index 2", "timeline index 3")
                        .replace("before_migration\n", "before_migration\nkeep 1900000000000\n");
        assertEquals(text(sealed(body)), text(TimelineIndexText.encode(index)));
        assertEquals(index, TimelineIndexText.decode(sealed(body), "index"));
        refused(sealed(body.replace("timeline index 3", "timeline index 2")));
        refused(sealed(body.replace("keep 1900000000000\n", "")));
        refused(sealed(body.replace("keep 1900000000000", "keep 0")));
        refused(sealed(body.replace("free late\n", "free late\nkeep 1900000000000\n")));
    }

    /** Pins the second version: what stands there is read for ever. */
    @Test
    void whatPeopleSayMakesItTheSecondVersion() {
        TimelineIndex index = index(WalOrigin.STOCK).having(properties());
        String first = text(TimelineIndexText.encode(index(WalOrigin.STOCK)));
        String body =
                first.substring(0, first.indexOf("crc32c"))
                        .replace("timeline index 1", "timeline index 2")
                        .replace(
                                "oldest_readable_lsn",
                                """
                                name 12 preview/pr-7
                                protected yes
                                expires 1800000000000
                                point 0/2000008 7 pinned before_migration
                                point 0/3000120 8 free late
                                oldest_readable_lsn\
                                """);
        assertEquals(text(sealed(body)), text(TimelineIndexText.encode(index)));
        assertEquals(index, TimelineIndexText.decode(sealed(body), "index"));
        refused(sealed(body.replace("timeline index 2", "timeline index 1")));
        refused(
                sealed(
                        first.substring(0, first.indexOf("crc32c"))
                                .replace("timeline index 1", "timeline index 2")));
        refused(
                sealed(
                        first.substring(0, first.indexOf("crc32c"))
                                .replace("timeline index 1", "timeline index 3")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "name 12 preview/pr-7>name 12 preview pr-7",
                "name 12 preview/pr-7>name twelve preview/pr-7",
                "name 12 preview/pr-7>name 12 d87061ac791d44a963416f8fe634a26c",
                "protected yes>protected no",
                "expires 1800000000000>expires never",
                "point 0/2000008 7 pinned>point 0/2000008 7 held",
                "point 0/2000008 7 pinned>point 0/4000000 7 pinned",
                "free late>free before_migration",
                "free late>free",
            })
    void aPropertyThatCannotBeIsCorruption(String change) {
        String good = text(TimelineIndexText.encode(index(WalOrigin.STOCK).having(properties())));
        String[] fromTo = change.split(">");
        assertTrue(good.contains(fromTo[0]));
        refused(sealed(good.substring(0, good.indexOf("crc32c")).replace(fromTo[0], fromTo[1])));
    }

    /** Else what was restored because it had expired would go at once. */
    @Test
    void aRestoredTimelineKeepsItsNameAndDoesNotExpire() {
        TimelineIndex index = index(WalOrigin.STOCK).having(properties());
        assertEquals(
                properties().expiring(0),
                index.restored(new Generation(9), index.layers()).properties());
    }

    /** Any byte, any change, also to what is no UTF-8: an error that names the file. */
    @Test
    void noChangedOrCutIndexPasses() {
        byte[] good = TimelineIndexText.encode(index(WalOrigin.STOCK));
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
                        () -> TimelineIndexText.decode(bytes, "x/index"),
                        () -> text(bytes));
        assertEquals(ErrorCode.CORRUPTION, e.code(), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains("x/index"), e.getMessage());
    }

    @ParameterizedTest
    @EnumSource(WalOrigin.class)
    void theOriginIsReadBackAndStaysWhatItIs(WalOrigin origin) {
        TimelineIndex index = index(origin);
        assertEquals(index, TimelineIndexText.decode(TimelineIndexText.encode(index), "index"));
        assertEquals(
                origin,
                index.readable(5, index.identity().found(7, 1 << 20, WalHistory.on(6)))
                        .identity()
                        .origin());
        assertEquals(
                origin,
                index.identity()
                        .branch(TimelineId.parse("b87061ac791d44a963416f8fe634a26c"), 9)
                        .origin());
    }

    @Test
    void whichTimelinesItsWalWasOnIsReadBack() {
        TimelineIndex first = index(WalOrigin.STOCK);
        WalHistory history =
                WalHistory.on(1).promoted(2, 0x100_0028).promoted(0xFFFF_FFFF, 0x200_0030);
        TimelineIndex index = first.on(history);
        byte[] text = TimelineIndexText.encode(index);
        String lines = new String(text, StandardCharsets.UTF_8);
        assertTrue(lines.startsWith("palimpsest timeline index 2\n"), lines);
        assertTrue(
                lines.contains(
                        "\nwal_timeline 4294967295\nwal_timeline_ended 1 0/1000028\nwal_timeline_ended 2 0/2000030\n"),
                lines);
        TimelineIndex read = TimelineIndexText.decode(text, "index");
        assertEquals(index, read);
        assertEquals(
                history.upTo(0x200_0030),
                read.identity().branch(index.timeline(), 0x200_0030).wal());
        assertTrue(
                new String(TimelineIndexText.encode(first), StandardCharsets.UTF_8)
                        .startsWith("palimpsest timeline index 1\n"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "wal_timeline_ended 1\n",
                "wal_timeline_ended 7 0/10\n",
                "wal_timeline_ended 2 0/10\nwal_timeline_ended 1 0/20\n",
                "wal_timeline_ended 1 0/20\nwal_timeline_ended 2 0/10\n",
                "wal_timeline_ended x 0/20\n",
            })
    void aHistoryOfWalThatIsNoneIsCorruption(String lines) {
        TimelineIndex index = index(WalOrigin.STOCK).on(WalHistory.on(1).promoted(7, 0x100_0028));
        String text = new String(TimelineIndexText.encode(index), StandardCharsets.UTF_8);
        String body =
                text.substring(0, text.lastIndexOf("crc32c "))
                        .replace("wal_timeline_ended 1 0/1000028\n", lines);
        byte[] b = body.getBytes(StandardCharsets.UTF_8);
        byte[] damaged =
                (body + "crc32c " + TextChecksum.of(b, b.length) + "\n")
                        .getBytes(StandardCharsets.UTF_8);
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> TimelineIndexText.decode(damaged, "x/index"));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "origin NEON\n", "origin\n", "origin neon \n", "origin zenith\n"})
    void anOriginThatIsNoneIsCorruption(String line) {
        String body = text(TimelineIndexText.encode(index(WalOrigin.NEON)));
        byte[] bytes =
                sealed(body.substring(0, body.indexOf("crc32c")).replace("origin neon\n", line));
        PageserverException e =
                assertThrows(
                        PageserverException.class, () -> TimelineIndexText.decode(bytes, "index"));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    /** Facts that cannot be, under a right checksum. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "disk_consistent_lsn 0/A00DBF8>disk_consistent_lsn 0/2000000",
                "lease 0/2000008 5>lease 0/3000120 5",
                "lease 0/2000008 5>lease 0/2000008",
                "adopted 0/1000000>adopted 0/1800000",
                "state archived 1700000000000>state archived",
                "state archived 1700000000000>state asleep",
                "00000001 4711>00000001 4711 complete",
                "00000001 4711>00000001 -1",
                "ancestor a87061ac791d44a963416f8fe634a26c 0/2000000>ancestor nobody",
                "layer 08>layer 00",
            })
    void aFactThatCannotBeIsCorruption(String change) {
        String good = text(TimelineIndexText.encode(index(WalOrigin.STOCK)));
        String[] fromTo = change.split(">");
        String bad = good.substring(0, good.indexOf("crc32c")).replace(fromTo[0], fromTo[1]);
        refused(sealed(bad));
        assertTrue(good.contains(fromTo[0]));
    }

    @ParameterizedTest
    @ValueSource(strings = {"active", "deleting", "archived 7"})
    void theStateIsReadBack(String state) {
        TimelineIndex index =
                index(WalOrigin.STOCK)
                        .in(
                                switch (state) {
                                    case "active" -> TimelineState.ACTIVE;
                                    case "deleting" -> TimelineState.DELETING;
                                    default -> new TimelineState.Archived(7);
                                });
        byte[] bytes = TimelineIndexText.encode(index);
        assertTrue(text(bytes).contains("\nstate " + state + "\n"));
        assertEquals(index, TimelineIndexText.decode(bytes, "index"));
    }

    @Test
    void anyOtherByteIsCorruption() {
        byte[] bytes = TimelineIndexText.encode(index(WalOrigin.STOCK));
        for (int i = 0; i < bytes.length; i++) {
            byte[] damaged = bytes.clone();
            damaged[i] ^= 1;
            assertThrows(
                    PageserverException.class, () -> TimelineIndexText.decode(damaged, "index"));
        }
        assertArrayEquals(bytes, TimelineIndexText.encode(index(WalOrigin.STOCK)));
    }
}
