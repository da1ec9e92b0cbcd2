package io.palimpsest.wal;

import static io.palimpsest.wal.WalStream.MAX_RECORD;
import static io.palimpsest.wal.WalStream.MIB;
import static io.palimpsest.wal.WalStream.SYSTEM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.PgVersion;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class WalDecoderTest {
    private static final PgVersion V = PgVersion.V17;
    private static final int PAGE = WalPage.SIZE;

    /** Starts in the middle of a page, at a page's and a segment's start, and behind headers. */
    private static final long[] STARTS = {
        0x1_0000_0000L + 5 * PAGE + 1024,
        0x1_0000_0000L + 5 * PAGE,
        0x1_0000_0000L + 5 * PAGE + WalPage.HEADER,
        0x1_0000_0000L,
        0x1_0000_0000L + WalPage.LONG_HEADER,
        0x1_0000_0000L - 8,
        0x1_0000_0000L - 24,
        0x7F_FFFF_0000L,
    };

    @Property(tries = 150)
    void whatIsWrittenIsRead(
            @ForAll long seed,
            @ForAll @IntRange(min = 0, max = 4) int version,
            @ForAll @IntRange(min = 0, max = 7) int start,
            @ForAll boolean largeSegments) {
        Prng random = new Prng(seed);
        int segment = largeSegments ? 64 * MIB : MIB;
        PgVersion v = PgVersion.values()[version];
        int maxBytes = random.oneIn(10) ? 400_000 : 20_000;
        WalStream stream = WalStream.random(random, v, STARTS[start], segment, 25, maxBytes);
        WalDecoder decoder = stream.decoder();
        List<String> found = new ArrayList<>();
        for (int at = 0; at < stream.bytes().length; ) {
            int bound = random.oneIn(3) ? 60 : 150_000;
            int n = Math.min(1 + random.nextInt(bound), stream.bytes().length - at);
            assertEquals(stream.startLsn() + at, decoder.position());
            decoder.feed(stream.bytes(), at, n);
            found.addAll(WalStream.drain(decoder));
            at += n;
        }
        assertEquals(stream.records(), found);
        assertEquals(stream.startLsn() + stream.bytes().length, decoder.lastRecordEnd());
    }

    @Test
    void anySplitGivesTheSameRecords() {
        long start = 0x2000_0000L - 2 * PAGE + 4096;
        WalStream stream = WalStream.random(new Prng(11), V, start, MIB, 24, 1400);
        byte[] b = stream.bytes();
        assertTrue(b.length > 3 * PAGE && b.length < 6 * PAGE, "length " + b.length);
        List<Long> expected = new ArrayList<>();
        WalDecoder whole = stream.decoder();
        whole.feed(b, 0, b.length);
        marks(whole, expected);
        assertEquals(stream.records().size(), expected.size());
        for (int split = 0; split <= b.length; split++) {
            WalDecoder decoder = stream.decoder();
            List<Long> found = new ArrayList<>();
            // Each piece alone in its array: reading past its end would show.
            decoder.feed(Arrays.copyOf(b, split), 0, split);
            marks(decoder, found);
            assertEquals(start + split, decoder.position());
            decoder.feed(b, split, b.length - split);
            marks(decoder, found);
            assertEquals(expected, found, "split at " + split);
        }
        WalDecoder decoder = stream.decoder();
        List<Long> found = new ArrayList<>();
        for (int i = 0; i < b.length; i++) {
            decoder.feed(b, i, 1);
            marks(decoder, found);
        }
        assertEquals(expected, found);
    }

    /** Where each record is, and its CRC (checked by the decoder): cheaper than its text. */
    private static void marks(WalDecoder decoder, List<Long> marks) {
        WalRecord r = new WalRecord();
        while (decoder.next(r)) {
            marks.add(r.startLsn() * 31 + r.endLsn() * 17 + Bytes.i32(r.bytes(), r.offset() + 20));
        }
    }

    @Test
    void anyRecordBoundaryIsAPlaceToStart() {
        WalStream stream = WalStream.random(new Prng(5), V, 0x2000_0000L - 64, MIB, 60, 9000);
        WalDecoder all = stream.decoder();
        all.feed(stream.bytes(), 0, stream.bytes().length);
        WalRecord record = new WalRecord();
        List<Long> boundaries = new ArrayList<>();
        while (all.next(record)) {
            boundaries.add(record.startLsn());
            boundaries.add(record.endLsn());
        }
        for (int i = 0; i < boundaries.size(); i++) {
            int at = (int) (boundaries.get(i) - stream.startLsn());
            WalDecoder decoder = new WalDecoder(V, boundaries.get(i), MIB, SYSTEM, MAX_RECORD);
            decoder.feed(stream.bytes(), at, stream.bytes().length - at);
            List<String> expected = stream.records().subList((i + 1) / 2, stream.records().size());
            assertEquals(expected, WalStream.drain(decoder));
        }
    }

    @Test
    void aChainThatIsKnownIsCheckedFromTheFirstRecordOn() {
        WalStream stream = WalStream.random(new Prng(6), V, 0x2000_0000L - 64, MIB, 20, 3000);
        WalDecoder all = stream.decoder();
        all.feed(stream.bytes(), 0, stream.bytes().length);
        WalRecord record = new WalRecord();
        for (int i = 1; i < 10; i++) {
            assertTrue(all.next(record));
            int at = (int) (record.endLsn() - stream.startLsn());
            WalDecoder right = new WalDecoder(V, record.endLsn(), MIB, SYSTEM, MAX_RECORD);
            right.follow(record.startLsn());
            right.feed(stream.bytes(), at, stream.bytes().length - at);
            assertEquals(
                    stream.records().subList(i, stream.records().size()), WalStream.drain(right));
            WalDecoder wrong = new WalDecoder(V, record.endLsn(), MIB, SYSTEM, MAX_RECORD);
            wrong.follow(record.startLsn() - 8);
            wrong.feed(stream.bytes(), at, stream.bytes().length - at);
            assertCorrupt("xl_prev", () -> WalStream.drain(wrong));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {4, 0x2000_0001L, 0x2000_0008L, 0x2000_2010L, 0x2000_0020L})
    void otherPlacesAreRefused(long lsn) {
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> new WalDecoder(V, lsn, MIB, SYSTEM, MAX_RECORD));
        assertEquals(ErrorCode.BAD_REQUEST, e.code());
    }

    /** No changed record passes: what is read is a part, from the start, of what was written. */
    @Property(tries = 1000)
    void damageIsFound(@ForAll long seed) {
        Prng random = new Prng(seed);
        WalStream stream =
                WalStream.random(
                        new Prng(random.nextInt(4)), V, 0x2000_0000L - 6000, MIB, 20, 4000);
        byte[] b = stream.bytes().clone();
        int changes = 1 + random.nextInt(3);
        for (int i = 0; i < changes; i++) {
            int at = random.nextInt(b.length);
            switch (random.nextInt(3)) {
                case 0 -> b[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> b[at] = (byte) random.nextLong();
                default -> Arrays.fill(b, at, Math.min(b.length, at + 600), (byte) 0);
            }
        }
        List<String> found = new ArrayList<>();
        boolean failed = false;
        WalDecoder decoder = stream.decoder();
        WalRecord record = new WalRecord();
        try {
            decoder.feed(b, 0, b.length);
            while (decoder.next(record)) {
                found.add(WalStream.text(record));
            }
        } catch (PageserverException e) {
            assertEquals(ErrorCode.CORRUPTION, e.code());
            failed = true;
        }
        assertEquals(stream.records().subList(0, found.size()), found);
        if (!failed && found.size() < stream.records().size()) {
            // It waits for the rest of a record whose length was changed: never past the end.
            assertEquals(stream.startLsn() + b.length, decoder.position());
        }
    }

    /** With a right CRC over wrong content: an explicit error or a view within its bytes. */
    @Property(tries = 3000)
    void noRecordReachesOutsideItself(@ForAll long seed) {
        Prng random = new Prng(seed);
        WalStream stream =
                WalStream.random(new Prng(random.nextInt(50)), V, 0x2000_0400L, MIB, 1, 1500);
        byte[] b = stream.bytes().clone();
        int length = Bytes.i32(b, 0);
        if (length > PAGE - 0x400 || length == WalRecord.HEADER) {
            return;
        }
        for (int i = 1 + random.nextInt(3); i > 0; i--) {
            b[WalRecord.HEADER + random.nextInt(Math.min(60, length - WalRecord.HEADER))] =
                    (byte) (random.nextBoolean() ? random.nextLong() : random.nextInt(4));
        }
        WalStream.fixCrc(b, 0, length);
        WalDecoder decoder = stream.decoder();
        WalRecord r = new WalRecord();
        decoder.feed(b, 0, b.length);
        try {
            assertTrue(decoder.next(r));
        } catch (PageserverException e) {
            assertEquals(ErrorCode.CORRUPTION, e.code());
            return;
        }
        int end = length;
        assertEquals(end, r.mainOffset() + r.mainLength());
        for (int i = r.blockCount() - 1; i >= 0; i--) {
            end = i == r.blockCount() - 1 ? r.mainOffset() : r.imageOffset(i + 1);
            assertEquals(end, r.dataOffset(i) + r.dataLength(i));
            assertEquals(r.dataOffset(i), r.imageOffset(i) + r.imageLength(i));
            assertTrue(r.imageOffset(i) >= WalRecord.HEADER);
            assertTrue(r.holeOffset(i) + r.holeLength(i) <= PAGE);
        }
    }

    @Test
    void aCutTailIsWaitedFor() {
        WalStream stream = WalStream.random(new Prng(3), V, 0x2000_0000L, MIB, 12, 3000);
        for (int cut = 0; cut < stream.bytes().length; cut += 31) {
            WalDecoder decoder = stream.decoder();
            decoder.feed(stream.bytes(), 0, cut);
            List<String> found = WalStream.drain(decoder);
            assertEquals(stream.records().subList(0, found.size()), found);
            assertTrue(found.size() < stream.records().size());
            assertTrue(
                    Long.compareUnsigned(decoder.lastRecordEnd(), Lsn.align(decoder.position()))
                            <= 0);
        }
    }

    @Test
    void aLengthTakesNoMemoryBeforeItsBytes() {
        WalStream stream = WalStream.random(new Prng(3), V, 0x2000_0400L, MIB, 1, 10);
        byte[] b = Arrays.copyOf(stream.bytes(), 2000);
        Bytes.putI32(b, 0, MAX_RECORD);
        List<WalDecoder> held = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            WalDecoder decoder = stream.decoder();
            decoder.feed(b, 0, b.length);
            assertFalse(decoder.next(new WalRecord()));
            held.add(decoder);
        }
        assertEquals(64, held.size());
    }

    @Test
    void largeRecordsPassUpToTheLimit() {
        byte[] main = new byte[9 * MIB];
        new Prng(1).nextBytes(main, 0, main.length);
        WalWriter writer = WalStream.writer(V, 0x2000_0000L, MIB, 8);
        writer.begin(Rmgr.LOGICALMSG, 0, 0);
        writer.mainData(main);
        writer.end();
        byte[] b = writer.out().toByteArray();
        WalDecoder decoder = new WalDecoder(V, 0x2000_0000L, MIB, SYSTEM, MAX_RECORD);
        WalRecord r = new WalRecord();
        int n = 0;
        for (int at = 0; at < b.length; at += 100_000) {
            decoder.feed(b, at, Math.min(100_000, b.length - at));
            n += decoder.next(r) ? 1 : 0;
        }
        assertEquals(1, n);
        assertEquals(
                WalStream.digest(main, 0, main.length),
                WalStream.digest(r.bytes(), r.mainOffset(), r.mainLength()));
        WalDecoder strict = new WalDecoder(V, 0x2000_0000L, MIB, SYSTEM, main.length);
        strict.feed(b, 0, b.length);
        assertCorrupt("xl_tot_len", () -> strict.next(r));
    }

    @Test
    void recordsEndExactlyAtPageAndSegmentEnds() {
        for (int before = 24; before <= 400; before += 8) {
            long start = 0x2010_0000L - before;
            WalWriter writer = WalStream.writer(V, start, MIB, 8);
            List<Long> ends = new ArrayList<>();
            for (int size = 0; size < 40; size++) {
                writer.begin(Rmgr.HEAP, 0, 7);
                writer.mainData(new byte[size * 5]);
                writer.end();
                ends.add(writer.position());
            }
            byte[] b = writer.out().toByteArray();
            WalDecoder decoder = new WalDecoder(V, start, MIB, SYSTEM, MAX_RECORD);
            decoder.feed(b, 0, b.length);
            WalRecord r = new WalRecord();
            for (long end : ends) {
                assertTrue(decoder.next(r));
                assertEquals(end, r.endLsn());
            }
            assertFalse(decoder.next(r));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 64})
    void aSwitchSkipsToTheNextSegment(int mib) {
        int segment = mib * MIB;
        long start = 3L * segment + 5 * PAGE + 40;
        WalWriter writer = WalStream.writer(V, start, segment, 8);
        writer.begin(Rmgr.XACT, 0, 9);
        writer.end();
        long switched = writer.switchSegment();
        assertEquals(4L * segment, writer.position());
        writer.begin(Rmgr.XACT, 0x10, 9);
        long after = writer.end();
        assertEquals(4L * segment + WalPage.LONG_HEADER, after);
        byte[] b = writer.out().toByteArray();
        for (int step : new int[] {b.length, 65_536, 999_983}) {
            WalDecoder decoder = new WalDecoder(V, start, segment, SYSTEM, MAX_RECORD);
            WalRecord r = new WalRecord();
            List<Long> starts = new ArrayList<>();
            for (int at = 0; at < b.length; at += step) {
                decoder.feed(b, at, Math.min(step, b.length - at));
                while (decoder.next(r)) {
                    starts.add(r.startLsn());
                    if (r.startLsn() == switched) {
                        assertEquals(4L * segment, r.endLsn());
                        assertEquals(4L * segment, decoder.lastRecordEnd());
                    }
                }
            }
            assertEquals(List.of(start, switched, after), starts);
            assertEquals(3, decoder.timelineId());
        }
    }

    /** A record of two pages cut at the page's end, then what a restarted server writes. */
    private static byte[] overwritten(long start, long named) {
        WalWriter first = WalStream.writer(V, start, MIB, 8);
        first.begin(Rmgr.HEAP, 0, 1);
        first.mainData(new byte[50]);
        long kept = first.end();
        first.begin(Rmgr.HEAP, 0, 2);
        first.mainData(new byte[PAGE]);
        long lost = first.end();
        long pageEnd = lost + PAGE & -PAGE;
        byte[] head = Arrays.copyOf(first.out().array(), (int) (pageEnd - start));
        WalWriter second = WalStream.writer(V, pageEnd, MIB, kept);
        second.overwriteContrecord(named == 0 ? lost : named, 77);
        second.begin(Rmgr.XACT, 0, 3);
        second.end();
        byte[] all = Arrays.copyOf(head, head.length + second.out().size());
        System.arraycopy(second.out().array(), 0, all, head.length, second.out().size());
        return all;
    }

    @ParameterizedTest
    @ValueSource(longs = {0x2000_0400L, 0x200F_F000L})
    void aRecordLostInACrashIsDropped(long start) {
        byte[] b = overwritten(start, 0);
        for (int split = 0; split <= b.length; split++) {
            WalDecoder decoder = new WalDecoder(V, start, MIB, SYSTEM, MAX_RECORD);
            decoder.feed(b, 0, split);
            List<String> found = WalStream.drain(decoder);
            decoder.feed(b, split, b.length - split);
            found.addAll(WalStream.drain(decoder));
            assertEquals(3, found.size());
            assertTrue(found.get(1).contains("XLOG D0"), found.get(1));
        }
        // The page that says so is a place to start as well.
        long page = start + PAGE & -PAGE;
        WalDecoder decoder = new WalDecoder(V, page, MIB, SYSTEM, MAX_RECORD);
        decoder.feed(b, (int) (page - start), b.length - (int) (page - start));
        assertEquals(2, WalStream.drain(decoder).size());
    }

    @Test
    void theLostRecordMustBeTheOneNamed() {
        long start = 0x2000_0400L;
        byte[] b = overwritten(start, 0x1234);
        assertCorrupt("overwritten record", () -> decodeAll(start, b));
    }

    @Test
    void afterALostRecordItsNoteMustCome() {
        long start = 0x2000_0400L;
        byte[] b = overwritten(start, 0);
        int note = PAGE - 0x400 + WalPage.HEADER;
        b[note + 16] = 0x20;
        WalStream.fixCrc(b, note, Bytes.i32(b, note));
        assertCorrupt("XLOG_OVERWRITE_CONTRECORD at the top", () -> decodeAll(start, b));
    }

    @Test
    void aNoteOfALostRecordMustFollowOne() {
        WalWriter writer = WalStream.writer(V, 0x2000_0400L, MIB, 8);
        writer.begin(Rmgr.XLOG, WalRecord.XLOG_OVERWRITE_CONTRECORD, 0);
        writer.mainData(new byte[16]);
        writer.end();
        byte[] b = writer.out().toByteArray();
        assertCorrupt("only at the top", () -> decodeAll(0x2000_0400L, b));
    }

    @Test
    void aPageThatLostNothingMustNotSayItDid() {
        WalWriter writer = WalStream.writer(V, 0x2000_0000L, MIB, 8);
        writer.begin(Rmgr.HEAP, 0, 1);
        // Fills the page to its end.
        writer.mainData(new byte[PAGE - WalPage.LONG_HEADER - WalRecord.HEADER - 5]);
        writer.end();
        assertEquals(0x2000_2000L, writer.position());
        writer.overwriteContrecord(0x1234, 0);
        byte[] b = writer.out().toByteArray();
        assertCorrupt("a record to continue", () -> decodeAll(0x2000_0000L, b));
    }

    private static void decodeAll(long start, byte[] b) {
        WalDecoder decoder = new WalDecoder(V, start, MIB, SYSTEM, MAX_RECORD);
        decoder.feed(b, 0, b.length);
        WalStream.drain(decoder);
    }

    /** Offsets into the long header at the segment's start, or the short one of the next page. */
    @ParameterizedTest
    @CsvSource({
        "0, 0, WAL page magic",
        "0, 2, long WAL page header",
        "0, 3, WAL page flags",
        "0, 8, WAL page address",
        "0, 16, bytes left",
        "0, 24, system identifier",
        "0, 32, WAL segment size",
        "0, 36, WAL page size",
        "8192, 0, WAL page magic",
        "8192, 2, continued record",
        "8192, 3, WAL page flags",
        "8192, 7, timeline",
        "8192, 12, WAL page address",
        "8192, 16, bytes left",
    })
    void pageHeadersAreChecked(int page, int at, String message) {
        WalWriter writer = WalStream.writer(V, 0x2000_0000L, MIB, 8);
        writer.begin(Rmgr.HEAP, 0, 1);
        writer.mainData(new byte[2 * PAGE]);
        writer.end();
        byte[] b = writer.out().toByteArray();
        if (message.equals("timeline")) {
            // An earlier one than on the page before.
            Bytes.putI32(b, page + 4, 2);
        } else {
            b[page + at] ^= (byte) (at == 2 ? page == 0 ? 2 : 1 : 0x40);
        }
        PageserverException e = assertCorrupt(message, () -> decodeAll(0x2000_0000L, b));
        assertTrue(e.getMessage().contains(Lsn.toString(0x2000_0000L + page)), e.getMessage());
    }

    @Test
    void anUnknownSystemIdentifierIsNotChecked() {
        WalStream stream = WalStream.random(new Prng(1), V, 0x2000_0000L, MIB, 3, 50);
        WalDecoder decoder = new WalDecoder(V, stream.startLsn(), MIB, 0, MAX_RECORD);
        decoder.feed(stream.bytes(), 0, stream.bytes().length);
        assertEquals(stream.records(), WalStream.drain(decoder));
    }

    @Test
    void theChainOfRecordsIsChecked() {
        WalWriter writer = WalStream.writer(V, 0x2000_0400L, MIB, 8);
        writer.begin(Rmgr.XACT, 0, 1);
        writer.end();
        int second = writer.out().size();
        writer.begin(Rmgr.XACT, 0, 1);
        writer.end();
        byte[] b = writer.out().toByteArray();
        Bytes.putI64(b, second + 8, 0x2000_0300L);
        WalStream.fixCrc(b, second, Bytes.i32(b, second));
        assertCorrupt("xl_prev", () -> decodeAll(0x2000_0400L, b));
        Bytes.putI64(b, 8, 0x2000_0400L);
        WalStream.fixCrc(b, 0, Bytes.i32(b, 0));
        assertCorrupt("an earlier LSN", () -> decodeAll(0x2000_0400L, b));
    }

    @Test
    void customResourceManagersCameWith15() {
        for (PgVersion version : PgVersion.values()) {
            WalWriter writer = WalStream.writer(version, 0x2000_0400L, MIB, 8);
            writer.begin(134, 0, 1);
            writer.end();
            byte[] b = writer.out().toByteArray();
            WalDecoder decoder = new WalDecoder(version, 0x2000_0400L, MIB, SYSTEM, MAX_RECORD);
            decoder.feed(b, 0, b.length);
            if (version == PgVersion.V14) {
                assertCorrupt("resource manager", () -> decoder.next(new WalRecord()));
            } else {
                assertTrue(decoder.next(new WalRecord()));
            }
        }
    }

    @Test
    void zerosAreNoRecordAndAFailureStays() {
        WalDecoder decoder = new WalDecoder(V, 0x2000_0400L, MIB, SYSTEM, MAX_RECORD);
        decoder.feed(new byte[100], 0, 100);
        WalRecord r = new WalRecord();
        PageserverException e = assertCorrupt("0/20000400", () -> decoder.next(r));
        assertTrue(e.getMessage().contains("found 0"), e.getMessage());
        assertCorrupt("0/20000400", () -> decoder.next(r));
        assertCorrupt("0/20000400", () -> decoder.feed(new byte[1], 0, 1));
    }

    @Test
    void bytesFedMustBeReadBeforeMoreCome() {
        WalStream stream = WalStream.random(new Prng(1), V, 0x2000_0400L, MIB, 3, 50);
        WalDecoder decoder = stream.decoder();
        decoder.feed(stream.bytes(), 0, stream.bytes().length);
        assertTrue(decoder.next(new WalRecord()));
        assertThrows(Check.Failed.class, () -> decoder.feed(stream.bytes(), 0, 1));
    }

    private static PageserverException assertCorrupt(
            String message, org.junit.jupiter.api.function.Executable call) {
        PageserverException e = assertThrows(PageserverException.class, call);
        assertEquals(ErrorCode.CORRUPTION, e.code());
        assertTrue(e.getMessage().contains(message), e.getMessage());
        return e;
    }
}
