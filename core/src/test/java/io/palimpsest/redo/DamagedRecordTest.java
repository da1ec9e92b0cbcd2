package io.palimpsest.redo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.wal.Rmgr;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * Damage behind a right checksum: redo answers with a PageserverException or with a page, reads
 * nothing outside the value, and writes nothing but the page.
 */
class DamagedRecordTest {
    private record Sample(byte[] value, byte[] page, RedoContext context) {}

    private static List<Sample> samples(PgVersion version) {
        byte[] heap = HeapPages.withTuples("one", "two", "three", "four", "five", "six");
        byte[] gaps = HeapPages.withTuples("one", "two", "three");
        Page.setLinePointer(gaps, 2, 0);
        byte[] map = HeapPages.empty();
        VisibilityMap.set(map, 5, 3);
        byte[] brin = new byte[Page.SIZE];
        SmallRedoTest.brinInsert(true).applyTo(brin, version);
        Page.setLsn(brin, 0);
        List<Sample> samples = new ArrayList<>();
        RedoContext context = new RedoContext(version, true);
        add(samples, context, heap, HeapRedoTest.insert(0, 7, 1, "new").block(0, 7));
        add(samples, context, gaps, HeapRedoTest.insert(0, 2, 1, "new").block(0, 7));
        add(
                samples,
                context,
                map,
                HeapRedoTest.insert(0, 2, 1, "new").block(0, 5).vmBlock(1, 0).own(1));
        add(samples, context, heap, HeapRedoTest.delete(3, 0x10, 0x11).block(0, 7));
        RecordValue update =
                HeapRedoTest.update(0x40, 1, 0x63, 7)
                        .block(0, 5)
                        .data(d -> {
                            d.u16(1);
                            d.u16(1);
                            d.u16(0x8001);
                            d.u16(0x2802);
                            d.u8(24);
                            d.u8(0);
                            d.u8('X');
                        });
        add(samples, context, heap, update);
        add(samples, context, map, update.vmBlock(2, 0).own(2));
        add(samples, context, heap, HeapRedoTest.lock(Rmgr.HEAP, 2, 0).block(0, 5));
        add(samples, context, heap, HeapRedoTest.lock(Rmgr.HEAP2, 2, 0).block(0, 5));
        add(samples, context, heap, Heap2RedoTest.prune(version, 5, 6));
        add(samples, context, heap, Heap2RedoTest.freeze(version));
        add(samples, context, gaps, Heap2RedoTest.multiInsert(false));
        add(samples, context, gaps, Heap2RedoTest.multiInsert(true));
        add(samples, context, map, Heap2RedoTest.visible(3, 7));
        add(samples, context, gaps, SmallRedoTest.sequence());
        add(samples, context, gaps, SmallRedoTest.generic());
        add(samples, context, gaps, SmallRedoTest.brinInsert(true));
        add(samples, context, brin, SmallRedoTest.brinInsert(true).own(1));
        add(
                samples,
                context,
                brin,
                new RecordValue(Rmgr.BRIN, 0x30)
                        .block(0, 5)
                        .main(m -> m.u16(1))
                        .data(d -> d.zeros(24)));
        add(samples, context, gaps, new RecordValue(Rmgr.XLOG, 0xB0).block(0, 4).image(heap));
        for (int kind = 2; kind <= 7; kind++) {
            byte[] value = new byte[] {(byte) kind, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
            int length = new int[] {10, 5, 14, 9, 15, 15}[kind - 2];
            samples.add(new Sample(Arrays.copyOf(value, length), map, context));
        }
        if (!version.atLeast(PgVersion.V18)) {
            addNeon(samples, version, heap, gaps);
        }
        return samples;
    }

    private static void addNeon(List<Sample> samples, PgVersion version, byte[] heap, byte[] gaps) {
        RedoContext context = NeonRecords.context(version);
        byte[] one = HeapPages.withTuples("one");
        byte[] widelySpaced = HeapPages.withTuples("one", "two", "three", "four");
        Page.setLinePointer(widelySpaced, 2, 0);
        Page.setLinePointer(widelySpaced, 4, 0);
        add(samples, context, gaps, NeonRecords.insert(version, 0).block(0, 7));
        add(samples, context, gaps, NeonRecords.insert(version, 0x80).initBlock(0, 7));
        add(samples, context, heap, NeonRecords.delete(version).block(0, 7));
        add(samples, context, one, NeonRecords.update(version).block(0, 7));
        add(samples, context, one, NeonRecords.hotUpdate(version).block(0, 7));
        add(samples, context, heap, NeonRecords.lock(version, 0x26).block(0, 7));
        add(samples, context, heap, NeonRecords.lockUpdated().block(0, 7));
        add(samples, context, widelySpaced, NeonRecords.multiInsert(version, false).block(0, 7));
        add(samples, context, heap, NeonRecords.multiInsert(version, true).initBlock(0, 7));
    }

    private static void add(
            List<Sample> samples, RedoContext context, byte[] page, RecordValue record) {
        samples.add(new Sample(record.encode(), page, context));
    }

    private static byte[] damaged(byte[] b, int within, Prng random) {
        byte[] damaged = b.clone();
        for (int i = random.nextInt(4); i > 0; i--) {
            int at = random.nextInt(Math.min(within, b.length));
            damaged[at] =
                    random.nextBoolean()
                            ? (byte) random.nextLong()
                            : (byte) (damaged[at] ^ 1 << random.nextInt(8));
        }
        return damaged;
    }

    @Property(tries = 10_000)
    void damageIsAnErrorOrAPage(@ForAll long seed) {
        Prng random = new Prng(seed);
        PgVersion version = PgVersion.values()[random.nextInt(5)];
        List<Sample> samples = SAMPLES.get(version.ordinal());
        Sample sample = samples.get(random.nextInt(samples.size()));
        byte[] value = damaged(sample.value, 80, random);
        int length = random.oneIn(3) ? random.nextInt(value.length + 1) : value.length;
        byte[] page = random.oneIn(2) ? damaged(sample.page, 60, random) : sample.page.clone();
        byte[] zeros = page.clone();
        byte[] ones = page.clone();
        String first = outcome(zeros, value, length, (byte) 0, sample.context);
        String second = outcome(ones, value, length, (byte) -1, sample.context);
        assertEquals(first, second);
        if (first.isEmpty()) {
            assertArrayEquals(zeros, ones);
        }
    }

    private static final List<List<Sample>> SAMPLES =
            Arrays.stream(PgVersion.values()).map(DamagedRecordTest::samples).toList();

    /** The error's code, or nothing; the bytes around the value are {@code around}. */
    private static String outcome(
            byte[] page, byte[] value, int length, byte around, RedoContext context) {
        int at = 300;
        byte[] arena = new byte[at + length + 4_000];
        Arrays.fill(arena, around);
        System.arraycopy(value, 0, arena, at, length);
        byte[] before = arena.clone();
        try {
            new PageRedo(context).apply(page, arena, at, length, RecordValue.LSN);
            return "";
        } catch (PageserverException e) {
            return e.code().toString();
        } finally {
            assertArrayEquals(before, arena);
        }
    }

    @Property(tries = 1)
    void undamagedSamplesApply() {
        for (PgVersion version : PgVersion.values()) {
            for (Sample sample : SAMPLES.get(version.ordinal())) {
                byte[] page = sample.page.clone();
                assertEquals(
                        "",
                        outcome(page, sample.value, sample.value.length, (byte) 0, sample.context));
            }
        }
    }
}
