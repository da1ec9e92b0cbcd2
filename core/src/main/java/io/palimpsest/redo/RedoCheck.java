package io.palimpsest.redo;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.PageImage;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Redo against PostgreSQL's own answer. With {@code wal_consistency_checking} every record carries
 * its pages as they are after it; this keeps the pages, lets an engine apply each record as it
 * would be stored, and compares under {@link PageMask}.
 *
 * <pre>
 * for each record in order:  check.record(record);      then once:  check.finish();
 * </pre>
 *
 * <p>A page becomes known by a record that initialises it or brings an image. Without one the image
 * to compare with is adopted, unchecked, and counted ("no base"). After a difference, too, the
 * server's page is adopted, so that one wrong record is one finding. At most {@code maxPages} pages
 * are kept, the ones used last.
 */
public final class RedoCheck {
    /**
     * A value as it would be stored for one page.
     *
     * @param value holds it in its first {@code length} bytes, during the call only
     */
    public record Change(RelTag relation, int block, byte[] value, int length, long lsn) {}

    /** What applies a change to its page. Throws what {@link PageRedo#apply} throws. */
    @FunctionalInterface
    public interface Engine {
        void apply(Change change, byte[] page);

        /** The page server's own. */
        static Engine of(PageRedo redo) {
            return (change, page) ->
                    redo.apply(page, change.value(), 0, change.length(), change.lsn());
        }
    }

    /** Is told what was wrong. */
    @FunctionalInterface
    public interface Findings {
        void found(Finding finding);
    }

    /**
     * A wrong or refused block of a record. The arrays are the receiver's.
     *
     * @param record a view that is good only during the call
     * @param index of the block in the record
     * @param before the page before the record; null: there was none
     * @param expected the page as the server logged it, unmasked; null if it did not
     * @param found what the engine made of the page, unmasked; null if it threw
     * @param what in words
     */
    public record Finding(
            WalRecord record,
            int index,
            byte @Nullable [] before,
            byte @Nullable [] expected,
            byte @Nullable [] found,
            boolean unsupported,
            String what) {}

    /** Records of one resource manager and opcode. */
    public static final class Tally {
        long seen;
        long checked;
        long mismatches;
        long unsupported;
        long withoutBase;

        public long seen() {
            return seen;
        }

        /** Records with at least one block that was compared. */
        public long checked() {
            return checked;
        }

        /** Blocks that differed, or that the engine refused. */
        public long mismatches() {
            return mismatches;
        }

        /** Blocks for which the engine has no redo. */
        public long unsupported() {
            return unsupported;
        }

        /** Blocks whose page was not known before. */
        public long withoutBase() {
            return withoutBase;
        }

        /** Adds the other's figures to these. */
        public void add(Tally other) {
            seen += other.seen;
            checked += other.checked;
            mismatches += other.mismatches;
            unsupported += other.unsupported;
            withoutBase += other.withoutBase;
        }
    }

    private record Block(RelTag tag, int number) {}

    private static final int OPCODES = 16;
    private static final int ALL = VisibilityMap.ALL_VISIBLE | VisibilityMap.ALL_FROZEN;
    private static final int TRUNCATE_VISIBILITY_MAP = 2;

    private final Engine engine;
    private final Findings findings;
    private final int maxPages;
    private final SequencedMap<Block, byte[]> pages;
    private final EarlyClears earlyClears = new EarlyClears();
    private final @Nullable Tally[] tallies = new @Nullable Tally[256 * OPCODES];
    private final Tally total = new Tally();
    private final ByteSink value = new ByteSink(Page.SIZE);
    private final byte[] before = new byte[Page.SIZE];
    private final byte[] expected = new byte[Page.SIZE];
    private final byte[] expectedMasked = new byte[Page.SIZE];
    private final byte[] foundMasked = new byte[Page.SIZE];
    private long forgotten;

    /**
     * @param maxPages how many pages to keep at most, 8 KiB each
     */
    public RedoCheck(Engine engine, int maxPages, Findings findings) {
        Check.that(maxPages > 0, "maxPages %d", maxPages);
        this.engine = engine;
        this.findings = findings;
        this.maxPages = maxPages;
        this.pages = new LinkedHashMap<>(16, 0.75f, true);
    }

    /** Applies the record to all its blocks; the next one in WAL order. */
    public void record(WalRecord r) {
        Tally tally = tallyOf(r);
        tally.seen++;
        clearVisibility(r);
        boolean compared = false;
        for (int i = 0; i < r.blockCount(); i++) {
            compared |= block(tally, r, i);
        }
        if (compared) {
            tally.checked++;
            total.checked++;
        }
        total.seen++;
        if (r.rmid() == Rmgr.SMGR && (r.info() & 0xF0) == 0x20) {
            truncate(r);
        }
    }

    /**
     * What can be said only when no more WAL comes.
     *
     * @return bits of visibility maps that the server had cleared though no record says so; they
     *     are counted as mismatches
     */
    public int finish() {
        int unexplained = earlyClears.open();
        total.mismatches += unexplained;
        return unexplained;
    }

    /** All records together. */
    public Tally total() {
        return total;
    }

    /** The records whose info has this high nibble; null if there were none. */
    public @Nullable Tally tally(int rmid, int info) {
        return tallies[rmid * OPCODES + (info >> 4)];
    }

    /** Pages that were dropped because there were too many. */
    public long forgotten() {
        return forgotten;
    }

    public int pages() {
        return pages.size();
    }

    private Tally tallyOf(WalRecord r) {
        int at = r.rmid() * OPCODES + (r.info() >> 4);
        Tally tally = tallies[at];
        if (tally == null) {
            tally = new Tally();
            tallies[at] = tally;
        }
        return tally;
    }

    /** Applies it to one block; true if the result was compared. */
    private boolean block(Tally tally, WalRecord r, int i) {
        Block block =
                new Block(new RelTag(r.spc(i), r.db(i), r.rel(i), r.fork(i)), r.blockNumber(i));
        PageMask.Kind kind =
                r.hasImage(i) && !r.appliesImage(i) ? PageMask.Kind.of(r.rmid(), r.fork(i)) : null;
        if (kind != null) {
            restore(r, i, expected);
        }
        value.clear();
        StoredValue.record(value, r, i);
        byte[] page = pages.get(block);
        boolean known = page != null;
        if (page == null) {
            if (!StoredValue.isInitial(value.array(), 0)) {
                tally.withoutBase++;
                total.withoutBase++;
                if (kind != null) {
                    page = keep(block, new byte[Page.SIZE]);
                    adopt(r, page);
                }
                return false;
            }
            page = keep(block, new byte[Page.SIZE]);
        }
        System.arraycopy(page, 0, before, 0, Page.SIZE);
        try {
            engine.apply(change(block, r.endLsn()), page);
        } catch (PageserverException e) {
            report(tally, r, i, known, kind, null, e);
            if (kind != null) {
                adopt(r, page);
            } else {
                pages.remove(block);
            }
            return kind != null;
        }
        if (kind == null) {
            if (bitsCutOut(r, i)) {
                pages.remove(block);
            }
            return false;
        }
        String difference = compare(r, i, kind, block, page);
        if (difference != null) {
            report(
                    tally,
                    r,
                    i,
                    known,
                    kind,
                    page,
                    PageserverException.corruption("%s", difference));
            adopt(r, page);
        }
        return true;
    }

    /**
     * CREATE DATABASE with the strategy wal_log logs pages of visibility maps as if they had a
     * hole, which is where their bits are: who replays that has none of them, and is right to.
     */
    private static boolean bitsCutOut(WalRecord r, int i) {
        return r.appliesImage(i) && r.fork(i) == RelTag.VM && r.holeLength(i) > 0;
    }

    private Change change(Block block, long lsn) {
        return new Change(block.tag(), block.number(), value.array(), value.size(), lsn);
    }

    /** Null if the pages agree. */
    private @Nullable String compare(
            WalRecord r, int i, PageMask.Kind kind, Block block, byte[] page) {
        System.arraycopy(expected, 0, expectedMasked, 0, Page.SIZE);
        System.arraycopy(page, 0, foundMasked, 0, Page.SIZE);
        PageMask.mask(expectedMasked, kind, block.number());
        PageMask.mask(foundMasked, kind, block.number());
        int at = Arrays.mismatch(expectedMasked, foundMasked);
        if (kind == PageMask.Kind.VISIBILITY_MAP) {
            int heap = r.blockWithId(r.blockId(i) == 0 ? 1 : 0);
            RelTag tag = block.tag().withFork(RelTag.MAIN);
            if (heap >= 0 && setsVisibility(r) && earlyClears.isOpen(tag, r.blockNumber(heap))) {
                return "bits of heap block "
                        + Integer.toUnsignedString(r.blockNumber(heap))
                        + " set again before the record that cleared them";
            }
            if (at >= 0 && earlyClears.explain(tag, block.number(), expectedMasked, foundMasked)) {
                adopt(r, page);
                return null;
            }
        }
        return at < 0
                ? null
                : String.format(
                        Locale.ROOT,
                        "first difference at %d: expected %02X, found %02X, lower %d upper %d",
                        at,
                        expectedMasked[at],
                        foundMasked[at],
                        Page.lower(page),
                        Page.upper(page));
    }

    private static boolean setsVisibility(WalRecord r) {
        return r.rmid() == Rmgr.HEAP2 && (r.info() & 0x70) == 0x40;
    }

    private void report(
            Tally tally,
            WalRecord r,
            int i,
            boolean known,
            PageMask.@Nullable Kind kind,
            byte @Nullable [] found,
            PageserverException e) {
        boolean unsupported = e.code() == ErrorCode.UNSUPPORTED;
        if (unsupported) {
            tally.unsupported++;
            total.unsupported++;
        } else {
            tally.mismatches++;
            total.mismatches++;
        }
        findings.found(
                new Finding(
                        r,
                        i,
                        known ? before.clone() : null,
                        kind == null ? null : expected.clone(),
                        found == null ? null : found.clone(),
                        unsupported,
                        String.valueOf(e.getMessage())));
    }

    private byte[] keep(Block block, byte[] page) {
        if (pages.size() >= maxPages) {
            pages.pollFirstEntry();
            forgotten++;
        }
        pages.put(block, page);
        return page;
    }

    /** What the server says the page is, in place of what we do not know or could not make. */
    private void adopt(WalRecord r, byte[] page) {
        System.arraycopy(expected, 0, page, 0, Page.SIZE);
        Page.setLsn(page, r.endLsn());
    }

    private static void restore(WalRecord r, int i, byte[] page) {
        PageImage.restore(
                r.bytes(),
                r.imageOffset(i),
                r.imageLength(i),
                r.imageFlags(i),
                r.holeOffset(i),
                r.holeLength(i),
                page);
    }

    /**
     * Records that clear bits of a visibility map page without registering it: ingest makes values
     * of their own of them, here they are made in place.
     */
    private void clearVisibility(WalRecord r) {
        int op = r.info() & 0x70;
        int main = r.mainOffset();
        byte[] b = r.bytes();
        if (r.rmid() == Rmgr.HEAP) {
            switch (op) {
                case 0x00 -> clear(r, 0, 1, b[main + 2] & 1, ALL);
                case 0x10 -> clear(r, 0, 1, b[main + 7] & 1, ALL);
                case 0x20, 0x40 -> {
                    boolean twoPages = r.blockWithId(1) >= 0;
                    clear(r, 0, 2, b[main + 7] & 2, ALL);
                    clear(r, twoPages ? 1 : 0, 2, b[main + 7] & 1, ALL);
                }
                case 0x60 -> clear(r, 0, 1, b[main + 7] & 1, VisibilityMap.ALL_FROZEN);
                default -> {}
            }
        } else if (r.rmid() == Rmgr.HEAP2) {
            switch (op) {
                case 0x50 -> clear(r, 0, 1, b[main] & 1, ALL);
                case 0x60 -> clear(r, 0, 1, b[main + 7] & 1, VisibilityMap.ALL_FROZEN);
                default -> {}
            }
        }
    }

    private void clear(WalRecord r, int heapId, int mapId, int flag, int bits) {
        boolean registered = r.blockWithId(mapId) >= 0 || mapId == 2 && r.blockWithId(3) >= 0;
        if (flag == 0 || registered) {
            return;
        }
        int i = r.blockWithId(heapId);
        RelTag heap = new RelTag(r.spc(i), r.db(i), r.rel(i), RelTag.MAIN);
        int heapBlock = r.blockNumber(i);
        earlyClears.cleared(heap, heapBlock, bits);
        value.clear();
        StoredValue.vmClear(value, bits, heapBlock);
        applyToMap(heap, heapBlock, r.endLsn());
    }

    private void applyToMap(RelTag heap, int heapBlock, long lsn) {
        Block block = new Block(heap.withFork(RelTag.VM), VisibilityMap.mapBlock(heapBlock));
        byte[] page = pages.get(block);
        if (page != null) {
            engine.apply(change(block, lsn), page);
        }
    }

    /**
     * Pages behind the new end are gone. Of the free space map nothing is known until its next
     * image.
     */
    private void truncate(WalRecord r) {
        int main = r.mainOffset();
        byte[] b = r.bytes();
        int keep = Bytes.i32(b, main);
        RelTag heap =
                new RelTag(
                        Bytes.i32(b, main + 4),
                        Bytes.i32(b, main + 8),
                        Bytes.i32(b, main + 12),
                        RelTag.MAIN);
        boolean cutMap = (Bytes.i32(b, main + 16) & TRUNCATE_VISIBILITY_MAP) != 0;
        int lastMapBlock = VisibilityMap.mapBlock(keep);
        boolean keepsPart = keep % VisibilityMap.HEAP_BLOCKS_PER_PAGE != 0;
        pages.keySet()
                .removeIf(block ->
                        block.tag().withFork(RelTag.MAIN).equals(heap)
                                && switch (block.tag().fork()) {
                                    case RelTag.MAIN -> block.number() >= keep;
                                    case RelTag.VM ->
                                            cutMap
                                                    && (block.number() > lastMapBlock
                                                            || block.number() == lastMapBlock
                                                                    && !keepsPart);
                                    default -> true;
                                });
        if (cutMap && keepsPart) {
            value.clear();
            StoredValue.vmTruncate(value, keep);
            applyToMap(heap, keep, r.endLsn());
        }
    }
}
