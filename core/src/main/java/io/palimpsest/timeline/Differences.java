package io.palimpsest.timeline;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.LayerCursor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LsnCursor;
import io.palimpsest.layer.MergeCursor;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.Keys;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * In which relations two points of histories differ, by the layers that were written since they
 * parted:
 *
 * <pre>
 *            C ---------- A       what has a value on either of the two ways from C is looked at;
 *   --------/                     what lies at or below C both have
 *           \------------ B
 * </pre>
 *
 * Where history above C has been collected, deltas may be gone that images above tell of: then the
 * keys of those count as written, too. Main forks only: the others are made of them, or are hints.
 */
public final class Differences {
    private static final KeyRange BLOCKS = Keys.ofKind(Keys.REL_BLOCK);
    private static final KeyRange SIZES = Keys.ofKind(Keys.REL_SIZE);

    /** A point of a history. */
    public record Side(Timeline timeline, long lsn) {
        /** Below a branch point it is the ancestor's. */
        public Side {
            timeline = timeline.holderOf(lsn);
        }
    }

    /**
     * A relation that is not the same at both.
     *
     * @param blocks at the one, at the other; -1: it is not there
     * @param changed of the blocks that both have: those that differ, or if nothing was compared,
     *     those that were written
     */
    public record Relation(int spc, int db, int rel, long blocks, long otherBlocks, long changed) {}

    /**
     * What was found.
     *
     * @param common up to which LSN they have the same history; 0: none
     * @param atMost blocks may count as changed that were not written: history was collected
     * @param relations in the order of their files
     */
    public record Result(long common, boolean atMost, List<Relation> relations) {
        public Result {
            relations = List.copyOf(relations);
        }
    }

    /** A stretch of a timeline on the way from the common point. */
    private record Way(Timeline timeline, long above, long upTo) {}

    private static final class Counts {
        final long blocks;
        final long otherBlocks;
        long changed;

        Counts(long blocks, long otherBlocks) {
            this.blocks = blocks;
            this.otherBlocks = otherBlocks;
        }

        /** Blocks that both have. */
        long both() {
            return Math.min(blocks, otherBlocks);
        }
    }

    private final Side one;
    private final Side other;
    private final boolean exact;
    private final List<Way> ways = new ArrayList<>();
    private final TreeMap<Key, Counts> relations = new TreeMap<>();
    private long common;
    private boolean atMost;

    private final PageBatch batch;
    private final byte[] pages;
    private final byte[] otherPages;
    private final List<Integer> wanted = new ArrayList<>();

    private Differences(Side one, Side other, boolean exact) {
        this.one = one;
        this.other = other;
        this.exact = exact;
        int most = exact ? one.timeline.batchPages() : 1;
        batch = new PageBatch(most);
        pages = new byte[most * Page.SIZE];
        otherPages = new byte[most * Page.SIZE];
    }

    /**
     * Finds them. May block, and with {@code exact} for long: it reads every block that was
     * written, at both points, and compares.
     *
     * @throws PageserverException PRECONDITION_FAILED if they have no history in common and nothing
     *     is to be compared; LSN_OUT_OF_RANGE if a point may not be read
     */
    public static Result between(Side one, Side other, boolean exact) {
        for (Side side : List.of(one, other)) {
            long _ = side.timeline.effectiveLsn(side.lsn, side.lsn);
            // What is in memory cannot be gone through while it grows.
            side.timeline.flushUpTo(side.lsn);
        }
        Differences differences = new Differences(one, other, exact);
        differences.part();
        differences.sizes();
        if (differences.common == 0) {
            differences.all();
        } else {
            differences.written();
        }
        return differences.result();
    }

    /** Finds out where they parted, and the ways from there. */
    private void part() {
        Way up = new Way(one.timeline, 0, one.lsn);
        while (up != null) {
            Way down = wayTo(up.timeline, other);
            if (down != null) {
                common = Math.min(up.upTo, down.upTo);
                break;
            }
            up = up(up);
        }
    }

    private static @Nullable Way up(Way way) {
        BranchPoint at = way.timeline.branchPoint();
        return at == null ? null : new Way(at.ancestor(), 0, Math.min(way.upTo, at.lsn()));
    }

    /** What a point has of a timeline's history; null: nothing. */
    private static @Nullable Way wayTo(Timeline timeline, Side from) {
        Way way = new Way(from.timeline, 0, from.lsn);
        while (way != null && !way.timeline.equals(timeline)) {
            way = up(way);
        }
        return way;
    }

    private void addWays(Side side) {
        Way way = new Way(side.timeline, 0, side.lsn);
        while (way != null && way.upTo > common) {
            BranchPoint at = way.timeline.branchPoint();
            long above = at == null ? common : Math.max(common, at.lsn());
            if (way.upTo > above) {
                ways.add(new Way(way.timeline, above, way.upTo));
            }
            way = up(way);
        }
    }

    /** Everything, as there is nothing that would tell. */
    private void all() {
        if (!exact) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "timelines %s and %s have no history in common, so that no layer tells what differs: it takes reading both whole, which exact does",
                    one.timeline.id(),
                    other.timeline.id());
        }
        relations.forEach((key, counts) -> {
            for (long block = 0; block < counts.both(); block++) {
                want(key, counts, block);
            }
            compare(key, counts);
        });
    }

    /**
     * The sizes of all relations: few beside their blocks, and that one is gone no layer may tell
     * but by not having it.
     */
    private void sizes() {
        Map<Key, Long> here = sizes(one);
        Map<Key, Long> there = sizes(other);
        here.forEach((key, blocks) ->
                relations.put(key, new Counts(blocks, there.getOrDefault(key, -1L))));
        there.forEach((key, blocks) -> relations.putIfAbsent(key, new Counts(-1, blocks)));
    }

    private static Map<Key, Long> sizes(Side side) {
        TreeMap<Key, Long> found = new TreeMap<>();
        side.timeline
                .viewAt(side.lsn)
                .scan(
                        SIZES,
                        (key, content) -> {
                            if (Keys.relation(key).fork() == RelTag.MAIN) {
                                found.put(key, Bytes.u32(content, 0));
                            }
                        });
        return found;
    }

    /** What has a value on the ways, in the order of keys. */
    private void written() {
        List<LayerFile> held = new ArrayList<>();
        try {
            List<LayerCursor> cursors = new ArrayList<>();
            int before;
            do {
                before = structure();
                cursors.clear();
                held.forEach(LayerFile::release);
                held.clear();
                ways.clear();
                addWays(one);
                addWays(other);
            } while (!hold(held, cursors) || structure() != before);
            go(new MergeCursor(cursors));
        } finally {
            held.forEach(LayerFile::release);
        }
    }

    private int structure() {
        return 31 * one.timeline.structure() + other.timeline.structure();
    }

    /** False if a layer went before it was held. */
    private boolean hold(List<LayerFile> held, List<LayerCursor> cursors) {
        for (Way way : ways) {
            way.timeline.checkOpen();
            for (LayerFile file : way.timeline.layers().files()) {
                if (!tells(way, file)) {
                    continue;
                }
                if (!file.acquire()) {
                    way.timeline.checkOpen();
                    return false;
                }
                held.add(file);
                atMost |= file.image();
                LsnRange lsns = new LsnRange(way.above + 1, way.upTo + 1);
                cursors.add(new LsnCursor(file.entries(BLOCKS), lsns));
            }
        }
        return true;
    }

    private static boolean tells(Way way, LayerFile file) {
        if (!file.keys().overlaps(BLOCKS)) {
            return false;
        }
        // Above the cutoff nothing was collected: there an image repeats what deltas say.
        return file.image()
                ? file.startLsn() > way.above
                        && file.startLsn() <= Math.min(way.upTo, way.timeline.oldestReadableLsn())
                : file.startLsn() <= way.upTo && file.endLsn() > way.above + 1;
    }

    private void go(LayerCursor c) {
        Key relation = null;
        Counts counts = null;
        long last = -1;
        while (c.next()) {
            if ((c.lo() >>> 32 & 0xFF) != RelTag.MAIN) {
                continue;
            }
            Key of = Keys.relationSize(Keys.relation(new Key(c.hi(), c.mid(), c.lo())));
            if (!of.equals(relation)) {
                if (relation != null && counts != null) {
                    compare(relation, counts);
                }
                relation = of;
                counts = relations.get(of);
                last = -1;
            }
            long number = c.lo() & 0xFFFF_FFFFL;
            if (counts != null && number != last && number < counts.both()) {
                want(of, counts, number);
            }
            last = number;
        }
        if (relation != null && counts != null) {
            compare(relation, counts);
        }
    }

    private void want(Key relation, Counts counts, long block) {
        if (!exact) {
            counts.changed++;
            return;
        }
        wanted.add((int) block);
        if (wanted.size() == pages.length / Page.SIZE) {
            compare(relation, counts);
        }
    }

    /** Reads the blocks that are wanted at both points. */
    private void compare(Key relation, Counts counts) {
        if (wanted.isEmpty()) {
            return;
        }
        RelTag tag = Keys.relation(relation);
        read(tag, one, pages);
        read(tag, other, otherPages);
        for (int i = 0; i < wanted.size(); i++) {
            int at = i * Page.SIZE;
            if (Arrays.mismatch(pages, at, at + Page.SIZE, otherPages, at, at + Page.SIZE) >= 0) {
                counts.changed++;
            }
        }
        wanted.clear();
    }

    private void read(RelTag tag, Side side, byte[] into) {
        batch.clear();
        for (int i = 0; i < wanted.size(); i++) {
            batch.add(tag, wanted.get(i), side.lsn, i * Page.SIZE);
        }
        side.timeline.readPages(batch, into);
    }

    private Result result() {
        List<Relation> all = new ArrayList<>();
        relations.forEach((key, counts) -> {
            if (counts.changed > 0 || counts.blocks != counts.otherBlocks) {
                RelTag tag = Keys.relation(key);
                all.add(
                        new Relation(
                                tag.spc(),
                                tag.db(),
                                tag.rel(),
                                counts.blocks,
                                counts.otherBlocks,
                                counts.changed));
            }
        });
        return new Result(common, atMost && !exact, all);
    }
}
