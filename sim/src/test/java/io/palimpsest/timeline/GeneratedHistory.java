package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A history of stored values of all shapes, drawn by chance, and beside it the truth: the content
 * of every key at every LSN, whole, in a map. Relations grow, are cut and dropped; pages of
 * multixact offsets get deltas, some of them very many; directory entries come and go.
 */
final class GeneratedHistory {
    private static final int RELATIONS = 5;
    private static final int SEGMENTS = 2;
    private static final int SLRU_PAGES = 3;
    private static final byte[] GONE = {};

    private final Prng random;
    private final TreeMap<Key, TreeMap<Long, byte[]>> truth = new TreeMap<>();
    private final Modifications batch = new Modifications();
    private long lsn;

    GeneratedHistory(Prng random, long lsn) {
        this.random = random;
        this.lsn = lsn;
    }

    /** What a branch at an LSN starts with. */
    GeneratedHistory branch(Prng its, long at) {
        GeneratedHistory branch = new GeneratedHistory(its, at);
        truth.forEach(
                (key, history) -> branch.truth.put(key, new TreeMap<>(history.headMap(at, true))));
        return branch;
    }

    long lsn() {
        return lsn;
    }

    /** A key that was written. */
    Key someKey(Prng chance) {
        List<Key> keys = List.copyOf(truth.keySet());
        return keys.isEmpty() ? Key.MIN : keys.get(chance.nextInt(keys.size()));
    }

    /** Commits a few records' changes. */
    void write(Timeline timeline, int records) {
        for (int i = 0; i < records; i++) {
            lsn += 8 * (1 + random.nextInt(20));
            change();
        }
        timeline.commit(batch, lsn - 8, lsn);
        batch.clear();
    }

    private void change() {
        switch (random.nextInt(10)) {
            case 0, 1, 2 -> writePage();
            case 3, 4, 5, 6 -> slruDelta();
            case 7 -> cutOrDrop();
            default -> directory();
        }
    }

    private static RelTag relation(int i) {
        return new RelTag(RelTag.DEFAULT_TABLESPACE, 5, 16384 + i, i % 2);
    }

    private void writePage() {
        RelTag tag = relation(random.nextInt(RELATIONS));
        int blocks = size(Keys.relationSize(tag), lsn);
        int block = random.nextInt(Math.min(8, Math.max(0, blocks) + 2));
        // What comes to exist again is zeros, until it is written.
        for (int b = Math.max(0, blocks); b < block; b++) {
            image(Keys.block(tag, b), GONE, new byte[Page.SIZE]);
        }
        byte[] page = new byte[Page.SIZE];
        random.nextBytes(page, 100, 40 + random.nextInt(300));
        image(Keys.block(tag, block), page, page);
        if (block >= blocks) {
            resize(Keys.relationSize(tag), block + 1);
        }
    }

    private void slruDelta() {
        int segment = random.nextInt(SEGMENTS);
        Key size = Keys.slruSize(Slru.MULTIXACT_OFFSETS, segment);
        int pages = Math.max(0, size(size, lsn));
        int number = segment * Slru.PAGES_PER_SEGMENT + random.nextInt(SLRU_PAGES);
        int inSegment = number % Slru.PAGES_PER_SEGMENT;
        Key key = Keys.slruPage(Slru.MULTIXACT_OFFSETS, number);
        if (inSegment >= pages) {
            for (int p = pages; p <= inSegment; p++) {
                Key made =
                        Keys.slruPage(Slru.MULTIXACT_OFFSETS, segment * Slru.PAGES_PER_SEGMENT + p);
                image(made, GONE, new byte[Page.SIZE]);
            }
            resize(size, inSegment + 1);
            return;
        }
        if (random.oneIn(40)) {
            resize(size, -1);
            return;
        }
        byte[] page = at(key, lsn).clone();
        // One page is written far more often than others.
        for (int i = random.oneIn(4) ? 30 : 1; i > 0; i--) {
            int index = random.nextInt(Slru.OFFSETS_PER_PAGE);
            int value = (int) random.nextLong(Integer.MAX_VALUE);
            Bytes.putI32(page, 4 * index, value);
            batch.begin(key.hi(), key.mid(), key.lo(), lsn);
            StoredValue.multixactOffset(batch.out(), number * Slru.OFFSETS_PER_PAGE + index, value);
            batch.end();
            put(key, page.clone());
            lsn += 8;
        }
    }

    private void cutOrDrop() {
        RelTag tag = relation(random.nextInt(RELATIONS));
        int blocks = size(Keys.relationSize(tag), lsn);
        if (blocks > 0) {
            resize(Keys.relationSize(tag), random.nextInt(blocks + 1) - 1);
        }
    }

    private void directory() {
        Key key =
                random.nextBoolean()
                        ? Keys.database(1663, random.nextInt(6))
                        : Keys.twoPhase(0, random.nextInt(20));
        if (random.oneIn(3)) {
            batch.tombstone(key, lsn);
            put(key, GONE);
        } else {
            byte[] content = new byte[1 + random.nextInt(50)];
            random.nextBytes(content, 0, content.length);
            image(key, content, content);
        }
    }

    private void image(Key key, byte[] stored, byte[] meant) {
        batch.image(key, lsn, stored);
        put(key, meant);
    }

    private void resize(Key key, int size) {
        if (size < 0) {
            batch.tombstone(key, lsn);
            put(key, GONE);
        } else {
            byte[] content = new byte[4];
            Bytes.putI32(content, 0, size);
            image(key, content, content);
        }
    }

    private void put(Key key, byte[] content) {
        truth.computeIfAbsent(key, _ -> new TreeMap<>()).put(lsn, content);
    }

    private byte[] at(Key key, long atLsn) {
        TreeMap<Long, byte[]> history = truth.get(key);
        Map.Entry<Long, byte[]> found = history == null ? null : history.floorEntry(atLsn);
        return found == null ? GONE : found.getValue();
    }

    private int size(Key key, long atLsn) {
        byte[] content = at(key, atLsn);
        return content.length == 0 ? -1 : Bytes.i32(content, 0);
    }

    /**
     * Compares all there is as of an LSN, and that nothing else is; answers the number of pages.
     */
    int compare(Timeline timeline, long atLsn) {
        int pages = 0;
        byte[] found = new byte[Page.SIZE];
        for (int i = 0; i < RELATIONS; i++) {
            RelTag tag = relation(i);
            int blocks = size(Keys.relationSize(tag), atLsn);
            // Found, or known, and then surely known.
            for (int n = 0; n < 2; n++) {
                assertEquals(blocks, timeline.relationBlocks(tag, atLsn), () -> tag + at(atLsn));
            }
            for (int b = 0; b < blocks; b++) {
                timeline.readPage(tag, b, atLsn, found, 0);
                assertPage(Keys.block(tag, b), found, atLsn);
                pages++;
            }
        }
        for (int segment = 0; segment < SEGMENTS; segment++) {
            int count = size(Keys.slruSize(Slru.MULTIXACT_OFFSETS, segment), atLsn);
            assertEquals(
                    count, timeline.slruBlocks(Slru.MULTIXACT_OFFSETS, segment, atLsn), at(atLsn));
            for (int p = 0; p < count; p++) {
                timeline.readSlruPage(Slru.MULTIXACT_OFFSETS, segment, p, atLsn, found, 0);
                assertPage(
                        Keys.slruPage(Slru.MULTIXACT_OFFSETS, segment * Slru.PAGES_PER_SEGMENT + p),
                        found,
                        atLsn);
                pages++;
            }
        }
        for (int kind : new int[] {Keys.REL_SIZE, Keys.SLRU_SIZE, Keys.DATABASE, Keys.TWO_PHASE}) {
            compareDirectory(timeline, kind, atLsn);
        }
        return pages;
    }

    /** Blocks here, there, and those of both that are not equal, of relations that differ. */
    Map<RelTag, long[]> differences(long atLsn, GeneratedHistory other, long otherLsn) {
        Map<RelTag, long[]> found = new TreeMap<>(Comparator.comparing(RelTag::toString));
        for (int i = 0; i < RELATIONS; i++) {
            RelTag tag = relation(i);
            long blocks = size(Keys.relationSize(tag), atLsn);
            long others = other.size(Keys.relationSize(tag), otherLsn);
            long changed = 0;
            for (int b = 0; b < Math.min(blocks, others); b++) {
                Key key = Keys.block(tag, b);
                changed += Arrays.equals(at(key, atLsn), other.at(key, otherLsn)) ? 0 : 1;
            }
            if (tag.fork() == RelTag.MAIN && (blocks != others || changed > 0)) {
                found.put(tag, new long[] {blocks, others, changed});
            }
        }
        return found;
    }

    private void compareDirectory(Timeline timeline, int kind, long atLsn) {
        TreeMap<Key, String> expected = new TreeMap<>();
        TreeMap<Key, String> found = new TreeMap<>();
        truth.subMap(Keys.ofKind(kind).start(), Keys.ofKind(kind).end())
                .keySet()
                .forEach(key -> {
                    byte[] content = at(key, atLsn);
                    if (content.length > 0) {
                        expected.put(key, Arrays.toString(content));
                    }
                });
        timeline.viewAt(atLsn)
                .scan(
                        Keys.ofKind(kind),
                        (key, content) -> found.put(key, Arrays.toString(content)));
        assertEquals(expected, found, () -> "kind " + kind + at(atLsn));
    }

    private void assertPage(Key key, byte[] found, long atLsn) {
        byte[] expected = at(key, atLsn);
        if (!Arrays.equals(expected, found)) {
            assertArrayEquals(expected, found, key + at(atLsn));
        }
    }

    private static String at(long lsn) {
        return " at " + Lsn.toString(lsn);
    }
}
