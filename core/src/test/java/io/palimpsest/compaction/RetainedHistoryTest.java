package io.palimpsest.compaction;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What stays of single keys; what a read gets of it is the model test's business. */
class RetainedHistoryTest {
    private static final Key PAGE = Key.of(Keys.REL_BLOCK, 1, 2, 3, 0, 7);
    private static final Key SIZE = Key.of(Keys.REL_SIZE, 1, 2, 3, 0, 0);

    private final List<String> out = new ArrayList<>();
    private boolean live = true;
    private long deadAt = -1;
    private int asked;

    private final Pages pages =
            new Pages() {
                @Override
                public boolean live(long hi, long mid, long lo, long lsn) {
                    return live && lsn != deadAt;
                }

                @Override
                public byte[] at(long hi, long mid, long lo, long lsn) {
                    asked++;
                    return new byte[] {(byte) lsn};
                }
            };

    private static LayerDescriptor image(long lsn) {
        return new LayerDescriptor(
                LayerName.image(
                        new KeyRange(Key.MIN, Key.of(20, 0, 0, 0, 0, 0)),
                        lsn,
                        ModelTimeline.TENANT,
                        ModelTimeline.GENERATION),
                1,
                true);
    }

    private static LayerDescriptor delta() {
        return new LayerDescriptor(
                LayerName.delta(
                        KeyRange.ALL,
                        new LsnRange(1, 1000),
                        ModelTimeline.TENANT,
                        ModelTimeline.GENERATION),
                1,
                false);
    }

    /** Cutoff 100, points 10 and 50. */
    private RetainedHistory history(
            boolean hasAncestor, List<LayerDescriptor> base, List<LayerDescriptor> images) {
        List<LayerDescriptor> inputs = new ArrayList<>(images);
        inputs.add(delta());
        return RetainedHistory.of(
                new CompactionPlan.DropHistory(
                        KeyRange.ALL, new Retention(100, List.of(10L, 50L)), base, inputs),
                hasAncestor,
                List.of(),
                3,
                pages,
                (hi, mid, lo, b, at, n) -> out.add("base " + text(b, at, n)),
                (hi, mid, lo, lsn, b, at, n) -> out.add(lsn + " " + text(b, at, n)));
    }

    private static String text(byte[] b, int at, int length) {
        StringBuilder s = new StringBuilder();
        for (int i = at; i < at + length; i++) {
            s.append(b[i]);
        }
        return s.toString();
    }

    private static void give(RetainedHistory h, Key key, long lsn, int... value) {
        byte[] b = new byte[value.length];
        for (int i = 0; i < b.length; i++) {
            b[i] = (byte) value[i];
        }
        h.accept(key.hi(), key.mid(), key.lo(), lsn, b, 0, b.length);
    }

    private static void record(RetainedHistory h, Key key, long lsn, int number) {
        give(h, key, lsn, StoredValue.RECORD, 0, number);
    }

    @Test
    void anIntervalKeepsWhatFollowsItsLastInitialValue() {
        RetainedHistory h = history(false, List.of(), List.of());
        record(h, PAGE, 5, 1);
        give(h, PAGE, 9, StoredValue.IMAGE, 4);
        record(h, PAGE, 20, 2);
        give(h, PAGE, 30, StoredValue.RECORD, 1, 3);
        record(h, PAGE, 40, 5);
        record(h, PAGE, 60, 6);
        record(h, PAGE, 101, 7);
        h.finish();
        assertEquals(List.of("base 4", "30 113", "40 105", "60 106"), out);
        assertEquals(0, asked);
    }

    @Test
    void aChainThatGrowsOverIntervalsEndsInAnImage() {
        RetainedHistory h = history(false, List.of(), List.of());
        record(h, PAGE, 10, 1);
        record(h, PAGE, 20, 2);
        record(h, PAGE, 21, 3);
        record(h, PAGE, 60, 4);
        record(h, PAGE, 61, 5);
        h.finish();
        assertEquals(List.of("base 10", "20 102", "21 103", "61 0100"), out);
    }

    @Test
    void aLongChainIsNotHeld() {
        RetainedHistory h = history(false, List.of(), List.of());
        byte[] megabyte = new byte[1 << 20];
        megabyte[0] = StoredValue.RECORD;
        // More than a test has memory for.
        for (int i = 0; i < 20_000; i++) {
            h.accept(PAGE.hi(), PAGE.mid(), PAGE.lo(), 60 + i / 1000, megabyte, 0, 1 << 20);
        }
        h.finish();
        assertEquals(List.of("79 0100"), out);
        assertEquals(1, asked);
    }

    @Test
    void whatIsDeadAtTheEndOfItsIntervalGoesUnlessItWasMadeThere() {
        live = false;
        RetainedHistory h = history(true, List.of(), List.of());
        give(h, PAGE, 9, StoredValue.IMAGE, 4);
        give(h, PAGE, 50, StoredValue.IMAGE);
        record(h, PAGE, 60, 6);
        h.finish();
        assertEquals(List.of("50 0"), out);
    }

    @Test
    void anImageThatRepeatsWhatIsThereGoes() {
        RetainedHistory h = history(false, List.of(image(10)), List.of(image(40), image(90)));
        give(h, PAGE, 10, StoredValue.IMAGE, 4);
        give(h, PAGE, 40, StoredValue.IMAGE, 4);
        give(h, PAGE, 90, StoredValue.IMAGE, 5);
        h.finish();
        assertEquals(List.of("90 05"), out);
    }

    /** A later history that begins at 50 leaves out what is below, and must find it. */
    @Test
    void whatWasGoneAndIsMadeAnewStaysThoughItIsAsItWas() {
        deadAt = 50;
        RetainedHistory h = history(false, List.of(), List.of());
        give(h, PAGE, 9, StoredValue.IMAGE);
        give(h, PAGE, 60, StoredValue.IMAGE);
        h.finish();
        assertEquals(List.of("base ", "60 0"), out);
    }

    @Test
    void tombstonesStayWhereTheyHideSomething() {
        RetainedHistory h = history(false, List.of(), List.of());
        give(h, SIZE, 5, StoredValue.IMAGE);
        give(h, SIZE, 60, StoredValue.IMAGE);
        h.finish();
        assertEquals(List.of(), out);
        h = history(true, List.of(), List.of());
        give(h, SIZE, 5, StoredValue.IMAGE);
        h.finish();
        assertEquals(List.of("base "), out);
        out.clear();
        h = history(false, List.of(), List.of());
        give(h, SIZE, 5, StoredValue.IMAGE, 1);
        give(h, SIZE, 60, StoredValue.IMAGE);
        h.finish();
        assertEquals(List.of("base 1", "60 0"), out);
    }

    @Test
    void whatACompleteImageLacksIsNotThere() {
        RetainedHistory h = history(false, List.of(), List.of(image(70)));
        give(h, SIZE, 5, StoredValue.IMAGE, 1);
        h.finish();
        assertEquals(List.of("base 1", "70 0"), out);
        out.clear();
        h = history(false, List.of(), List.of(image(10)));
        give(h, SIZE, 5, StoredValue.IMAGE, 1);
        give(h, SIZE, 60, StoredValue.IMAGE, 2);
        h.finish();
        assertEquals(List.of("60 02"), out);
    }

    @Test
    void ofOldCommitTimesTheNewestStays() {
        RetainedHistory h = history(false, List.of(), List.of());
        commit(h, 1, 5);
        commit(h, 2, 60);
        commit(h, 3, 100);
        commit(h, 4, 101);
        h.finish();
        assertEquals(1, out.size());
        assertEquals("100 ", out.getFirst().substring(0, 4));
        out.clear();
        RetainedHistory images =
                RetainedHistory.image(
                        new CompactionPlan.CreateImages(KeyRange.ALL, 200, List.of(delta())),
                        100,
                        false,
                        List.of(),
                        pages,
                        (hi, mid, lo, b, at, n) -> out.add((int) mid + ""));
        for (int second = 1; second < 6; second++) {
            commit(images, second, 98 + second);
        }
        images.finish();
        assertEquals(3 + 1, out.size());
    }

    @Test
    void ofMarkersNoneStaysAtOrBelowTheCutoff() {
        RetainedHistory images =
                RetainedHistory.image(
                        new CompactionPlan.CreateImages(KeyRange.ALL, 200, List.of(delta())),
                        100,
                        false,
                        List.of(),
                        pages,
                        (hi, mid, lo, b, at, n) -> out.add(mid + ""));
        for (RetainedHistory h : List.of(history(false, List.of(), List.of()), images)) {
            for (long lsn : new long[] {5, 60, 100, 101}) {
                Key k = Keys.marker(lsn);
                h.accept(k.hi(), k.mid(), k.lo(), lsn, new byte[30], 0, 30);
            }
            h.finish();
        }
        assertEquals(List.of("101"), out);
    }

    private static void commit(RetainedHistory h, int second, long lsn) {
        byte[] b = new byte[17];
        b[9] = (byte) lsn;
        Key k = Key.of(Keys.COMMIT_TIME, 0, second, 0, 0, 0);
        h.accept(k.hi(), k.mid(), k.lo(), lsn, b, 0, b.length);
    }
}
