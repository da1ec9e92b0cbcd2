package io.palimpsest.redo;

import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Visibility-map bits that an image of the map shows as cleared before the record that clears them
 * has come. A server that does not register the map's page with a heap record clears the bits first
 * and writes the record afterwards, under the lock of the heap page only:
 *
 * <pre>
 * session A   clears bits of heap block 7 .................... logs its insert into block 7
 * session B               logs "block 9 is visible" with the map's page, block 7 cleared
 * </pre>
 *
 * Such a difference is right if the clearing record follows, before anything sets the bits again.
 * Anything else is a finding.
 */
final class EarlyClears {
    private record HeapBlock(RelTag heap, int number) {}

    /** Bits that a record must still clear. */
    private final Map<HeapBlock, Integer> expected = new LinkedHashMap<>();

    /**
     * Whether bits cleared early are all that the two pages differ in; if so they are expected from
     * now on.
     */
    boolean explain(RelTag heap, int mapBlock, byte[] server, byte[] ours) {
        for (int at = 0; at < Page.SIZE; at++) {
            if (server[at] != ours[at] && (at < Page.HEADER || (server[at] & ~ours[at]) != 0)) {
                return false;
            }
        }
        for (int at = Page.HEADER; at < Page.SIZE; at++) {
            int bits = ours[at] & ~server[at];
            for (int i = 0; i < 4; i++) {
                int cleared = bits >>> 2 * i & 3;
                if (cleared != 0) {
                    int first = mapBlock * VisibilityMap.HEAP_BLOCKS_PER_PAGE;
                    int number = first + 4 * (at - Page.HEADER) + i;
                    expected.merge(new HeapBlock(heap, number), cleared, (a, b) -> a | b);
                }
            }
        }
        return true;
    }

    /** A record said so. */
    void cleared(RelTag heap, int heapBlock, int bits) {
        expected.computeIfPresent(
                new HeapBlock(heap, heapBlock),
                (block, open) -> (open & ~bits) == 0 ? null : Integer.valueOf(open & ~bits));
    }

    boolean isOpen(RelTag heap, int heapBlock) {
        return expected.containsKey(new HeapBlock(heap, heapBlock));
    }

    /** How many heap blocks' clearing never came. */
    int open() {
        return expected.size();
    }
}
