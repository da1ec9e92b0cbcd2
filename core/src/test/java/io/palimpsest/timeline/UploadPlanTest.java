package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Generation;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The plan against a store and a disk that are sets of names. */
class UploadPlanTest {
    private static final TenantShardId TENANT =
            TenantShardId.parse("7a1f0c4e5d6b48a99e0f112233445566");

    private static TimelineIndex empty(int generation) {
        return TimelineIndex.empty(
                new TimelineIndex.Identity(
                        TENANT,
                        TimelineId.parse("d87061ac791d44a963416f8fe634a26c"),
                        new Generation(generation),
                        PgVersion.V15,
                        WalOrigin.STOCK,
                        1,
                        1 << 24,
                        1),
                null,
                0x100,
                0x100);
    }

    private static LayerDescriptor layer(long lsn, int generation) {
        return new LayerDescriptor(
                LayerName.delta(
                        KeyRange.ALL,
                        new LsnRange(lsn, lsn + 8),
                        TENANT,
                        new Generation(generation)),
                100,
                false);
    }

    /** A timeline that layers come to and go from, its files, and what the store has of it. */
    private static final class World {
        final Prng random;
        final TreeSet<LayerName> objects = new TreeSet<>(TimelineIndex.BY_NAME);
        final TreeSet<LayerName> files = new TreeSet<>(TimelineIndex.BY_NAME);
        final List<UploadPlan.Step> underWay = new ArrayList<>();
        TimelineIndex index = empty(1);
        @Nullable TimelineIndex stored;
        UploadPlan plan = new UploadPlan(null);
        int generation = 1;
        long lsn = 0x100;
        int deletes;

        World(long seed) {
            random = new Prng(seed);
        }

        void flush() {
            LayerDescriptor fresh = layer(lsn + 1, generation);
            lsn += 8;
            files.add(fresh.name());
            index = index.flushed(List.of(fresh), lsn + 1, 0);
        }

        void compact() {
            if (index.layers().isEmpty()) {
                return;
            }
            LayerDescriptor gone = index.layers().get(random.nextInt(index.layers().size()));
            index = index.replace(List.of(gone), List.of(), true);
            if (!plan.needsFile(gone.name())) {
                files.remove(gone.name());
            }
        }

        void begin() {
            UploadPlan.Step step = plan.next(index, true);
            if (step == null) {
                return;
            }
            assertTrue(
                    step instanceof UploadPlan.Step.Layer
                            ? underWay.stream().allMatch(s -> s instanceof UploadPlan.Step.Layer)
                            : underWay.isEmpty(),
                    "steps at once");
            underWay.add(step);
        }

        void end(boolean mayFail) {
            if (underWay.isEmpty()) {
                return;
            }
            UploadPlan.Step step = underWay.remove(random.nextInt(underWay.size()));
            boolean fails = mayFail && random.nextInt(4) == 0;
            if (!fails || random.nextBoolean()) {
                carryOut(step);
            }
            if (fails) {
                plan.failed(step);
            } else {
                plan.done(step);
                if (step instanceof UploadPlan.Step.Layer(LayerDescriptor l)
                        && !indexNames(l.name())) {
                    files.remove(l.name());
                }
                if (step instanceof UploadPlan.Step.Delete(List<LayerName> names)) {
                    index = index.forget(names);
                }
            }
            check();
        }

        private boolean indexNames(LayerName name) {
            return index.layers().stream().anyMatch(l -> l.name().equals(name));
        }

        private void carryOut(UploadPlan.Step step) {
            switch (step) {
                case UploadPlan.Step.Layer(LayerDescriptor layer) -> {
                    assertTrue(files.contains(layer.name()), "the file is there");
                    objects.add(layer.name());
                }
                case UploadPlan.Step.Index(TimelineIndex next) -> stored = next;
                case UploadPlan.Step.Validate() -> assertNotNull(stored);
                case UploadPlan.Step.Delete(List<LayerName> names) -> {
                    deletes += names.size();
                    objects.removeAll(names);
                }
            }
        }

        /** Whoever loads it now finds all that it names. */
        private void check() {
            TimelineIndex there = stored;
            if (there != null) {
                there.layers().forEach(l -> assertTrue(objects.contains(l.name()), l.toString()));
            }
            TimelineIndex valid = plan.valid();
            // Or a later one whose put failed, but was carried out: it is put again.
            assertTrue(
                    valid == null
                            || there != null
                                    && valid.diskConsistentLsn() <= there.diskConsistentLsn(),
                    "what is valid is there");
        }

        /** Another server, or the same: only the store is left. */
        void attach() {
            TimelineIndex there = stored;
            if (there == null) {
                return;
            }
            generation++;
            underWay.clear();
            index = there.under(new Generation(generation));
            stored = index;
            plan = new UploadPlan(index);
            files.clear();
            lsn = index.diskConsistentLsn() + 8;
        }
    }

    @Test
    void theStoreNeverNamesWhatItLacksAndComesToBeWhatTheDiskIs() {
        int deletes = 0;
        for (long seed = 0; seed < 300; seed++) {
            World w = new World(seed);
            for (int i = 0; i < 400; i++) {
                switch (w.random.nextInt(12)) {
                    case 0, 1 -> w.flush();
                    case 2 -> w.compact();
                    case 3, 4, 5, 6 -> w.begin();
                    case 7 -> {
                        if (w.random.nextInt(10) == 0) {
                            w.attach();
                        }
                    }
                    default -> w.end(true);
                }
            }
            for (int i = 0; i < 2000; i++) {
                w.begin();
                w.end(false);
            }
            assertNull(w.plan.next(w.index, true), "nothing is left to do");
            TimelineIndex stored = w.stored;
            assertNotNull(stored);
            assertTrue(stored.saysAs(w.index));
            assertEquals(stored, w.plan.valid());
            // What a former owner has put and no index of his has named, nobody knows of.
            w.objects.removeIf(
                    name -> name.generation().value() < w.generation && !w.indexNames(name));
            assertEquals(
                    w.index.layers().stream().map(LayerDescriptor::name).toList(),
                    List.copyOf(w.objects),
                    "no garbage");
            deletes += w.deletes;
        }
        assertTrue(deletes > 1000, deletes + " deletes");
    }

    @Test
    void aSnapshotIsBroughtUpWholeHoweverFastLayersChange() {
        World w = new World(1);
        for (int i = 0; i < 10; i++) {
            w.flush();
        }
        for (int i = 0; i < 10; i++) {
            w.begin();
            w.compact();
            w.flush();
            w.end(false);
        }
        w.begin();
        w.end(false);
        TimelineIndex stored = w.stored;
        assertNotNull(stored);
        assertEquals(10, stored.layers().size(), "the ten that there were");
    }

    @Test
    void deletesThatFailDoNotHoldUpWhatIsToBePut() {
        World w = new World(1);
        w.flush();
        w.flush();
        w.compact();
        UploadPlan.Step step;
        while (!((step = w.plan.next(w.index, true)) instanceof UploadPlan.Step.Delete)) {
            assertNotNull(step);
            w.underWay.add(step);
            w.end(false);
        }
        w.plan.failed(step);
        w.flush();
        assertTrue(w.plan.next(w.index, true) instanceof UploadPlan.Step.Layer);
    }

    @Test
    void whatTheIndexOfNowNamesIsNotDeletedWhateverTheStoreSays() {
        LayerDescriptor ours = layer(0x101, 1);
        LayerDescriptor garbage = layer(0x109, 1);
        TimelineIndex read = empty(1).flushed(List.of(ours), 0x109, 0);
        TimelineIndex another =
                empty(3).flushed(List.of(ours, garbage), 0x111, 0)
                        .replace(List.of(ours, garbage), List.of(layer(0x111, 1)), true);
        TimelineIndex now = read.under(new Generation(3));
        UploadPlan plan = new UploadPlan(another);
        List<LayerName> deleted = new ArrayList<>();
        TimelineIndex put = null;
        UploadPlan.Step step;
        while ((step = plan.next(now, true)) != null) {
            switch (step) {
                case UploadPlan.Step.Delete(List<LayerName> names) -> deleted.addAll(names);
                case UploadPlan.Step.Index(TimelineIndex index) -> put = index;
                default -> {}
            }
            plan.done(step);
        }
        assertEquals(List.of(garbage.name()), deleted);
        assertEquals(now, put);
        assertTrue(plan.isConfirmed(ours.name()));
    }
}
