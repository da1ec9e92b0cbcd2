package io.palimpsest.compaction;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.compaction.ModelTimeline.Entry;
import io.palimpsest.compaction.ModelTimeline.Layer;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.value.StoredValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Does what is planned to a {@link ModelTimeline}, the simplest way, checking each plan against
 * what was promised about it; or, with a {@link Bug}, almost.
 */
final class ModelExecutor {
    /** Planted, to see that the model finds them. */
    enum Bug {
        NONE,
        GC_IGNORES_POINTS,
        GC_CUTOFF_ONE_HIGH,
        DROP_IGNORES_A_POINT,
        DROP_CUTOFF_ONE_HIGH,
        IMAGE_ONE_LSN_HIGH,
        INITIAL_VALUE_DROPPED,
        TOMBSTONE_DROPPED,
        PIECE_OUTSIDE_DROPPED,
        PIECE_ABOVE_CUTOFF_DROPPED,
        PARTIAL_IMAGE_CALLED_COMPLETE,
        ADOPTION_FORGOTTEN,
        ALL_PAGES_DEAD_AT_ONCE
    }

    final TenantConfig config;
    final Limits limits;
    final CompactionPlanner planner;
    final Prng prng;
    final Bug bug;

    /** Bytes read by history dropping so far. */
    long bytesDropped;

    int merges;
    int images;
    int drops;
    int collected;

    ModelExecutor(Prng prng, Bug bug) {
        this.prng = prng;
        this.bug = bug;
        TenantConfig c = TenantConfig.DEFAULT;
        int threshold = 1 + prng.nextInt(3);
        config =
                new TenantConfig(
                        c.pitrIntervalNanos(),
                        c.gcHorizonBytes(),
                        c.gcPeriodNanos(),
                        c.compactionPeriodNanos(),
                        threshold,
                        threshold + prng.nextInt(3),
                        20L << prng.nextInt(8),
                        1 + prng.nextInt(3),
                        c.leaseNanos());
        Limits d = Limits.DEFAULT;
        limits =
                new Limits(
                        prng.oneIn(3) ? 200 : d.openLayerBytes(),
                        d.flushDistance(),
                        d.flushAgeNanos(),
                        d.ingestBatchRecords(),
                        d.ingestBatchBytes(),
                        d.layerBlockBytes(),
                        d.recordBytes(),
                        d.waitLsnNanos(),
                        d.blockCacheBytes(),
                        d.openLayerFiles(),
                        d.batchPages(),
                        prng.nextInt(5),
                        d.backgroundBytesPerSecond());
        planner = new CompactionPlanner(config, limits);
    }

    private LayerInventory inventory(ModelTimeline t) {
        LayerInventory i = t.inventory();
        return bug == Bug.ADOPTION_FORGOTTEN
                ? new LayerInventory(i.layers(), i.diskConsistentLsn(), List.of(), i.avoided())
                : i;
    }

    boolean merge(ModelTimeline t) {
        CompactionPlan.MergeL0 plan = planner.mergeL0(inventory(t));
        if (plan == null) {
            return false;
        }
        assertTrue(plan.inputs().size() <= config.compactionUpperLimit());
        List<Layer> inputs = layers(t, plan.inputs());
        long start = inputs.getFirst().name().startLsn();
        long end = start;
        for (Layer l : inputs) {
            assertTrue(l.name().isL0());
            assertEquals(end, l.name().startLsn(), "a gap");
            end = l.name().endLsn();
        }
        List<Layer> out = new ArrayList<>();
        List<Entry> part = new ArrayList<>();
        for (Entry e : ModelTimeline.merged(inputs, KeyRange.ALL)) {
            if (!part.isEmpty() && !part.getLast().key().equals(e.key()) && prng.oneIn(4)) {
                out.add(delta(part, start, end));
                part.clear();
            }
            part.add(e);
        }
        if (!part.isEmpty()) {
            out.add(delta(part, start, end));
        }
        t.replace(inputs, out);
        out.forEach(l -> t.bytesWritten += l.descriptor().size());
        merges++;
        return true;
    }

    private static Layer delta(List<Entry> entries, long start, long end) {
        KeyRange keys = new KeyRange(entries.getFirst().key(), entries.getLast().key().next());
        return Layer.delta(keys, start, end, entries);
    }

    boolean createImages(ModelTimeline t) {
        CompactionPlan.CreateImages plan = planner.createImages(inventory(t));
        if (plan == null) {
            return false;
        }
        assertEquals(t.inventory().mergedLsn(), plan.lsn());
        List<Layer> inputs = layers(t, plan.inputs());
        checkNeeded(t, plan);
        List<Entry> content = new ArrayList<>();
        RetainedHistory filter =
                RetainedHistory.image(
                        plan,
                        t.cutoff,
                        t.hasAncestor() && bug != Bug.TOMBSTONE_DROPPED,
                        t.adopted,
                        pages(t, inputs),
                        (hi, mid, lo, b, at, n) ->
                                content.add(image(new Key(hi, mid, lo), plan.lsn(), b, at, n)));
        feed(filter, ModelTimeline.merged(inputs, plan.keys()));
        List<Layer> out = new ArrayList<>();
        long lsn = bug == Bug.IMAGE_ONE_LSN_HIGH ? plan.lsn() + 1 : plan.lsn();
        for (KeyRange range : cuts(plan.keys(), content)) {
            List<Entry> mine =
                    content.stream()
                            .filter(e -> range.contains(e.key()))
                            .map(e -> new Entry(e.key(), lsn, e.value()))
                            .toList();
            out.add(Layer.image(range, lsn, true, mine));
            if (prng.oneIn(5)) {
                // Stopped half way: the rest is planned again.
                break;
            }
        }
        t.replace(List.of(), out);
        out.forEach(l -> t.bytesWritten += l.descriptor().size());
        images++;
        return true;
    }

    /** Each input has something that the newest complete images below the LSN do not have. */
    private static void checkNeeded(ModelTimeline t, CompactionPlan.CreateImages plan) {
        TreeSet<Key> borders = new TreeSet<>();
        t.layers.forEach(l -> {
            borders.add(l.name().keys().start());
            borders.add(l.name().keys().end());
        });
        for (LayerDescriptor d : plan.inputs()) {
            boolean needed = false;
            for (Key k : borders) {
                if (!plan.keys().contains(k) || !d.name().keys().contains(k)) {
                    continue;
                }
                long newest = 0;
                for (Layer l : t.layers) {
                    if (l.descriptor().complete()
                            && l.name().keys().contains(k)
                            && l.name().startLsn() <= plan.lsn()) {
                        newest = Math.max(newest, l.name().startLsn());
                    }
                }
                long floor = 0;
                for (long a : t.adopted) {
                    floor = a < newest ? Math.max(floor, a) : floor;
                }
                long top = d.name().endLsn() - 1;
                needed |=
                        d.complete() && top >= newest
                                || !d.complete() && top > newest
                                || d.name().startLsn() <= floor;
            }
            assertTrue(needed, () -> "not needed: " + d.name() + " for " + plan);
        }
    }

    boolean collect(ModelTimeline t) {
        Retention r = t.retention();
        if (bug == Bug.GC_IGNORES_POINTS) {
            r = new Retention(r.cutoff(), List.of());
        } else if (bug == Bug.GC_CUTOFF_ONE_HIGH) {
            r = new Retention(r.cutoff() + 1, r.points());
        }
        List<Layer> garbage = layers(t, GcPlanner.garbage(inventory(t), r));
        t.replace(garbage, List.of());
        collected += garbage.size();
        return !garbage.isEmpty();
    }

    boolean dropHistory(ModelTimeline t) {
        Retention r = t.retention();
        if (bug == Bug.DROP_CUTOFF_ONE_HIGH) {
            r = new Retention(r.cutoff() + 1, r.points());
        } else if (bug == Bug.DROP_IGNORES_A_POINT && !r.points().isEmpty()) {
            r = new Retention(r.cutoff(), r.points().subList(1, r.points().size()));
        }
        CompactionPlan.DropHistory plan = planner.dropHistory(inventory(t), r);
        if (plan == null) {
            return false;
        }
        checkInputs(t, plan);
        List<Layer> inputs = layers(t, plan.inputs());
        List<Layer> out = new ArrayList<>();
        rewrite(t, plan, inputs, out);
        for (Layer l : inputs) {
            keepPieces(plan, l, out);
            bytesDropped += l.descriptor().size();
        }
        t.replace(inputs, out);
        drops++;
        return true;
    }

    private static void checkInputs(ModelTimeline t, CompactionPlan.DropHistory plan) {
        assertTrue(plan.retention().cutoff() <= t.inventory().mergedLsn());
        long lowest = plan.retention().lowest();
        for (Layer l : t.layers) {
            boolean below = l.name().startLsn() <= plan.retention().cutoff();
            boolean base = l.descriptor().complete() && l.name().startLsn() == lowest;
            boolean over = l.name().keys().overlaps(plan.keys());
            assertEquals(
                    over && below && !base, plan.inputs().contains(l.descriptor()), l.toString());
            assertEquals(over && base, plan.base().contains(l.descriptor()), l.toString());
            assertFalse(over && below && l.name().isL0(), "an L0 is an input");
        }
    }

    private void rewrite(
            ModelTimeline t, CompactionPlan.DropHistory plan, List<Layer> inputs, List<Layer> out) {
        long lowest = plan.retention().lowest();
        long cutoff = plan.retention().cutoff();
        List<Entry> base = new ArrayList<>();
        List<Entry> history = new ArrayList<>();
        RetainedHistory filter =
                RetainedHistory.of(
                        plan,
                        t.hasAncestor() && bug != Bug.TOMBSTONE_DROPPED,
                        t.adopted,
                        limits.chainDeltas(),
                        pages(t, t.layers),
                        (hi, mid, lo, b, at, n) ->
                                base.add(image(new Key(hi, mid, lo), lowest, b, at, n)),
                        (hi, mid, lo, lsn, b, at, n) -> {
                            if (bug != Bug.INITIAL_VALUE_DROPPED || !StoredValue.isInitial(b, at)) {
                                history.add(
                                        new Entry(
                                                new Key(hi, mid, lo),
                                                lsn,
                                                Arrays.copyOfRange(b, at, at + n)));
                            }
                        });
        List<Layer> read = new ArrayList<>(layers(t, plan.base()));
        read.addAll(inputs);
        feed(filter, ModelTimeline.merged(read, plan.keys()));
        assertTrue(base.isEmpty() || plan.base().isEmpty());
        if (!base.isEmpty() || plan.base().isEmpty() && prng.nextBoolean()) {
            for (KeyRange range : cuts(plan.keys(), base)) {
                out.add(
                        Layer.image(
                                range,
                                lowest,
                                true,
                                base.stream().filter(e -> range.contains(e.key())).toList()));
            }
        }
        for (KeyRange range : cuts(plan.keys(), history)) {
            List<Entry> mine = history.stream().filter(e -> range.contains(e.key())).toList();
            if (!mine.isEmpty()) {
                out.add(
                        prng.nextBoolean()
                                ? delta(mine, lowest + 1, cutoff + 1)
                                : Layer.delta(range, lowest + 1, cutoff + 1, mine));
            }
        }
    }

    /** What an input holds above the cutoff or outside of the keys. */
    private void keepPieces(CompactionPlan.DropHistory plan, Layer l, List<Layer> out) {
        KeyRange keys = l.name().keys();
        Key start = plan.keys().start();
        Key end = plan.keys().end();
        long above = plan.retention().cutoff() + 1;
        if (l.name().endLsn() > above && bug != Bug.PIECE_ABOVE_CUTOFF_DROPPED) {
            KeyRange inside =
                    new KeyRange(
                            start.compareTo(keys.start()) > 0 ? start : keys.start(),
                            end.compareTo(keys.end()) < 0 ? end : keys.end());
            List<Entry> mine = l.of(inside, above);
            if (!mine.isEmpty()) {
                out.add(Layer.delta(inside, above, l.name().endLsn(), mine));
            }
        }
        if (keys.start().compareTo(start) < 0) {
            keepPiece(l, new KeyRange(keys.start(), start), out);
        }
        if (keys.end().compareTo(end) > 0) {
            keepPiece(l, new KeyRange(end, keys.end()), out);
        }
    }

    private void keepPiece(Layer l, KeyRange keys, List<Layer> out) {
        List<Entry> mine = l.of(keys, 0);
        boolean complete = l.descriptor().complete();
        if (mine.isEmpty() && !complete || bug == Bug.PIECE_OUTSIDE_DROPPED) {
            return;
        }
        out.add(
                l.name().image()
                        ? Layer.image(keys, l.name().startLsn(), complete, mine)
                        : Layer.delta(keys, l.name().startLsn(), l.name().endLsn(), mine));
    }

    /** The range cut at some of the keys. */
    private List<KeyRange> cuts(KeyRange keys, List<Entry> entries) {
        List<KeyRange> out = new ArrayList<>();
        Key from = keys.start();
        for (Entry e : entries) {
            if (e.key().compareTo(from) > 0 && prng.oneIn(5)) {
                out.add(new KeyRange(from, e.key()));
                from = e.key();
            }
        }
        out.add(new KeyRange(from, keys.end()));
        return out;
    }

    private static Entry image(Key key, long lsn, byte[] b, int at, int length) {
        byte[] value = new byte[length + 1];
        System.arraycopy(b, at, value, 1, length);
        return new Entry(key, lsn, value);
    }

    private static void feed(RetainedHistory filter, List<Entry> entries) {
        for (Entry e : entries) {
            byte[] odd = new byte[e.value().length + 5];
            System.arraycopy(e.value(), 0, odd, 3, e.value().length);
            filter.accept(
                    e.key().hi(), e.key().mid(), e.key().lo(), e.lsn(), odd, 3, e.value().length);
            // What was given must not be looked at later.
            Arrays.fill(odd, (byte) 0x5A);
        }
        filter.finish();
    }

    private Pages pages(ModelTimeline t, Collection<Layer> own) {
        return new Pages() {
            @Override
            public boolean live(long hi, long mid, long lo, long lsn) {
                return bug != Bug.ALL_PAGES_DEAD_AT_ONCE && t.isLive(new Key(hi, mid, lo), lsn);
            }

            @Override
            public byte @Nullable [] at(long hi, long mid, long lo, long lsn) {
                Key key = new Key(hi, mid, lo);
                byte[] found = t.read(own, key, lsn);
                if (bug == Bug.NONE) {
                    assertArrayEquals(t.expected(key, lsn), found, "page asked for");
                }
                return found;
            }
        };
    }

    private static List<Layer> layers(ModelTimeline t, List<LayerDescriptor> wanted) {
        List<Layer> out = new ArrayList<>();
        for (LayerDescriptor d : wanted) {
            out.add(
                    t.layers.stream()
                            .filter(l -> l.descriptor().equals(d))
                            .findFirst()
                            .orElseThrow());
        }
        return out;
    }
}
