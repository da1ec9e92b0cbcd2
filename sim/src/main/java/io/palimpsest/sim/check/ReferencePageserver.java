package io.palimpsest.sim.check;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.Lsn;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.timeline.PageBatch;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A page server without any cleverness: every version of every page and size, whole, in a map. It
 * is told what each record does by whoever wrote the record, so it shares no code with decoding,
 * ingest and redo.
 */
public final class ReferencePageserver {
    private static final byte[] GONE = {};

    private final @Nullable ReferencePageserver ancestor;
    private final long branchLsn;
    private final TreeMap<Key, TreeMap<Long, byte[]>> pages = new TreeMap<>();
    private final TreeMap<Key, TreeMap<Long, Integer>> sizes = new TreeMap<>();

    public ReferencePageserver() {
        this(null, Long.MAX_VALUE);
    }

    private ReferencePageserver(@Nullable ReferencePageserver ancestor, long branchLsn) {
        this.ancestor = ancestor;
        this.branchLsn = branchLsn;
    }

    /** Goes on from here by itself: what is put here later than {@code lsn} is not in it. */
    public ReferencePageserver branch(long lsn) {
        return new ReferencePageserver(this, lsn);
    }

    /** All that was put here, for {@link #load}; what an ancestor has is not in it. */
    public byte[] save() {
        ByteSink out = new ByteSink(1 << 16);
        out.i32(sizes.size());
        sizes.forEach((key, history) -> {
            save(out, key, history.size());
            history.forEach((lsn, blocks) -> {
                out.i64(lsn);
                out.i32(blocks);
            });
        });
        out.i32(pages.size());
        pages.forEach((key, history) -> {
            save(out, key, history.size());
            history.forEach((lsn, page) -> {
                out.i64(lsn);
                out.i32(page.length);
                out.bytes(page);
            });
        });
        return out.toByteArray();
    }

    private static void save(ByteSink out, Key key, int versions) {
        byte[] bytes = new byte[Key.BYTES];
        key.write(bytes, 0);
        out.bytes(bytes);
        out.i32(versions);
    }

    /** What was saved, put here. */
    public void load(byte[] saved) {
        int at = 4;
        for (int keys = Bytes.i32(saved, 0); keys > 0; keys--) {
            TreeMap<Long, Integer> history = new TreeMap<>();
            sizes.put(Key.read(saved, at), history);
            int versions = Bytes.i32(saved, at + Key.BYTES);
            at += Key.BYTES + 4;
            for (; versions > 0; versions--, at += 12) {
                history.put(Bytes.i64(saved, at), Bytes.i32(saved, at + 8));
            }
        }
        int count = Bytes.i32(saved, at);
        at += 4;
        for (int keys = count; keys > 0; keys--) {
            TreeMap<Long, byte[]> history = new TreeMap<>();
            pages.put(Key.read(saved, at), history);
            int versions = Bytes.i32(saved, at + Key.BYTES);
            at += Key.BYTES + 4;
            for (; versions > 0; versions--) {
                int length = Bytes.i32(saved, at + 8);
                history.put(
                        Bytes.i64(saved, at), Arrays.copyOfRange(saved, at + 12, at + 12 + length));
                at += 12 + length;
            }
        }
    }

    /** The page as it is from {@code lsn} on; the fork must be long enough. */
    public void put(RelTag tag, int block, long lsn, byte[] page) {
        Check.that(block < blocks(tag, lsn), "block %d of %s is past the end", block, tag);
        put(Keys.block(tag, block), lsn, page);
    }

    /** The same for a transaction-status store, which is made long enough. */
    public void put(Slru slru, int page, long lsn, byte[] content) {
        Key size = Keys.slruSize(slru, page >>> 5);
        if (size(size, lsn) <= (page & 31)) {
            sizes.computeIfAbsent(size, _ -> new TreeMap<>()).put(lsn, (page & 31) + 1);
        }
        put(Keys.slruPage(slru, page), lsn, content);
    }

    private void put(Key key, long lsn, byte[] content) {
        pages.computeIfAbsent(key, _ -> new TreeMap<>()).put(lsn, content.clone());
    }

    /** The fork has that many blocks from {@code lsn} on, -1 if it is gone. */
    public void resize(RelTag tag, int blocks, long lsn) {
        Key key = Keys.relationSize(tag);
        for (int b = Math.max(0, blocks); b < size(key, lsn); b++) {
            put(Keys.block(tag, b), lsn, GONE);
        }
        sizes.computeIfAbsent(key, _ -> new TreeMap<>()).put(lsn, blocks);
    }

    /** Blocks of the fork, -1 if there is none. */
    public int blocks(RelTag tag, long lsn) {
        return size(Keys.relationSize(tag), lsn);
    }

    private int size(Key key, long lsn) {
        TreeMap<Long, Integer> history = sizes.get(key);
        Map.Entry<Long, Integer> e = history == null ? null : history.floorEntry(lsn);
        if (e != null) {
            return e.getValue();
        }
        return ancestor == null ? -1 : ancestor.size(key, Math.min(lsn, branchLsn));
    }

    /** Keys of all sizes there ever were. */
    private SortedSet<Key> sizeKeys() {
        SortedSet<Key> keys = ancestor == null ? new TreeSet<>() : ancestor.sizeKeys();
        keys.addAll(sizes.keySet());
        return keys;
    }

    /** The forks there are at that LSN, in order. */
    public List<RelTag> relations(long lsn) {
        return sizeKeys().stream()
                .filter(key -> key.kind() == Keys.REL_SIZE && size(key, lsn) >= 0)
                .map(Keys::relation)
                .toList();
    }

    /** All pages there are at that LSN, by key. */
    public SortedMap<Key, byte[]> contents(long lsn) {
        TreeMap<Key, byte[]> found = new TreeMap<>();
        for (Key size : sizeKeys()) {
            for (int block = 0; block < size(size, lsn); block++) {
                Key key =
                        size.kind() == Keys.REL_SIZE
                                ? Keys.block(Keys.relation(size), block)
                                : Keys.slruPage(Slru.CLOG, size.field4() * 32 + block);
                found.put(key, content(key, lsn));
            }
        }
        return found;
    }

    /** A copy of the page; zeros if nothing was written to it, or not since it was cut off. */
    public byte[] page(RelTag tag, int block, long lsn) {
        return content(Keys.block(tag, block), lsn);
    }

    public byte[] page(Slru slru, int page, long lsn) {
        return content(Keys.slruPage(slru, page), lsn);
    }

    private byte[] content(Key key, long lsn) {
        TreeMap<Long, byte[]> history = pages.get(key);
        Map.Entry<Long, byte[]> e = history == null ? null : history.floorEntry(lsn);
        if (e == null && ancestor != null) {
            return ancestor.content(key, Math.min(lsn, branchLsn));
        }
        return e == null || e.getValue().length == 0 ? new byte[Page.SIZE] : e.getValue().clone();
    }

    /**
     * Compares all there is at that LSN, both ways.
     *
     * @return how many pages were compared
     */
    public long compareAll(Timeline timeline, long lsn) {
        TreeSet<Key> expected = new TreeSet<>();
        long compared = 0;
        for (Key size : sizeKeys()) {
            if (size(size, lsn) >= 0) {
                expected.add(size);
            }
            compared += compareOne(timeline, size, lsn);
        }
        TreeSet<Key> found = new TreeSet<>();
        timeline.viewAt(lsn).scan(Keys.ofKind(Keys.REL_SIZE), (key, content) -> found.add(key));
        timeline.viewAt(lsn).scan(Keys.ofKind(Keys.SLRU_SIZE), (key, content) -> found.add(key));
        if (!found.equals(expected)) {
            TreeSet<Key> more = new TreeSet<>(found);
            more.removeAll(expected);
            expected.removeAll(found);
            Check.that(
                    false,
                    "directory at %s: %s",
                    Lsn.toString(lsn),
                    "missing " + expected + ", invented " + more);
        }
        return compared;
    }

    /** Compares one fork or segment, the one with number {@code choice} modulo their count. */
    public long compareSome(Timeline timeline, int choice, long lsn) {
        SortedSet<Key> keys = sizeKeys();
        int n = Math.floorMod(choice, keys.size());
        for (Key size : keys) {
            if (n-- == 0) {
                return compareOne(timeline, size, lsn);
            }
        }
        return 0;
    }

    private long compareOne(Timeline timeline, Key size, long lsn) {
        return size.kind() == Keys.REL_SIZE
                ? compare(timeline, Keys.relation(size), lsn)
                : compareSegment(timeline, size.field4(), lsn);
    }

    private long compare(Timeline timeline, RelTag tag, long lsn) {
        int blocks = blocks(tag, lsn);
        checkSize(timeline, tag, blocks, timeline.relationBlocks(tag, lsn), lsn);
        byte[] found = new byte[Page.SIZE];
        for (int block = 0; block < blocks; block++) {
            timeline.readPage(tag, block, lsn, found, 0);
            check(timeline, page(tag, block, lsn), found, tag + " block " + block, lsn);
            // The way that must not block may decline, and must not differ.
            if (timeline.tryReadPage(tag, block, lsn, found, 0)) {
                check(
                        timeline,
                        page(tag, block, lsn),
                        found,
                        tag + " block " + block + " at once",
                        lsn);
            }
        }
        compareTogether(timeline, tag, blocks, lsn);
        if (blocks >= 0) {
            timeline.readPage(tag, blocks, lsn, found, 0);
            check(timeline, new byte[Page.SIZE], found, tag + " past its end", lsn);
        }
        return Math.max(0, blocks);
    }

    /** The same read together, the last page first, and one past the end. */
    private void compareTogether(Timeline timeline, RelTag tag, int blocks, long lsn) {
        int most = timeline.batchPages();
        PageBatch batch = new PageBatch(most);
        byte[] found = new byte[most * Page.SIZE];
        for (int from = 0; from <= blocks; from += most) {
            int n = Math.min(most, blocks + 1 - from);
            batch.clear();
            for (int i = n - 1; i >= 0; i--) {
                batch.add(tag, from + i, lsn, i * Page.SIZE);
            }
            timeline.readPages(batch, found);
            for (int i = 0; i < n; i++) {
                byte[] page = Arrays.copyOfRange(found, i * Page.SIZE, (i + 1) * Page.SIZE);
                byte[] expected =
                        from + i < blocks ? page(tag, from + i, lsn) : new byte[Page.SIZE];
                check(timeline, expected, page, tag + " block " + (from + i) + " together", lsn);
            }
        }
    }

    private long compareSegment(Timeline timeline, int segment, long lsn) {
        int blocks = size(Keys.slruSize(Slru.CLOG, segment), lsn);
        String name = Slru.CLOG + " segment " + segment;
        checkSize(timeline, name, blocks, timeline.slruBlocks(Slru.CLOG, segment, lsn), lsn);
        byte[] found = new byte[Page.SIZE];
        for (int page = 0; page < blocks; page++) {
            timeline.readSlruPage(Slru.CLOG, segment, page, lsn, found, 0);
            check(
                    timeline,
                    page(Slru.CLOG, segment * 32 + page, lsn),
                    found,
                    name + " page " + page,
                    lsn);
        }
        return Math.max(0, blocks);
    }

    private static void checkSize(
            Timeline timeline, Object what, int expected, int found, long lsn) {
        if (expected != found) {
            Check.that(
                    false,
                    "size at %s: %s",
                    Lsn.toString(lsn) + " of timeline " + timeline.id(),
                    what + " expected " + expected + " blocks, found " + found);
        }
    }

    private static void check(
            Timeline timeline, byte[] expected, byte[] found, String what, long lsn) {
        if (Arrays.equals(expected, found)) {
            return;
        }
        int at = Arrays.mismatch(expected, found);
        Check.that(
                false,
                "page at %s: %s",
                Lsn.toString(lsn) + " of timeline " + timeline.id(),
                String.format(
                        Locale.ROOT,
                        "%s differs at byte %d: expected %02x, found %02x;"
                                + " page LSN expected %s, found %s",
                        what,
                        at,
                        expected[at],
                        found[at],
                        Lsn.toString(Page.lsn(expected)),
                        Lsn.toString(Page.lsn(found))));
    }
}
