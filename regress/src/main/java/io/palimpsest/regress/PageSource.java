package io.palimpsest.regress;

import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import java.util.List;

/** The side that is put to the test: what a page server says there is at an LSN. */
public interface PageSource {
    /** What there is of relation forks and SLRU segments. */
    Keyspace keyspace(long lsn);

    /** {@code count} pages from block {@code first} on, in order; an answer each. */
    List<Answer> pages(RelTag tag, int first, int count, long lsn);

    /** The pages of one segment, or why not. */
    Answer slruSegment(Slru slru, int segment, long lsn);

    /**
     * @param relations forks with their number of blocks
     * @param slruSegments segments with their number of pages
     */
    record Keyspace(List<Fork> relations, List<Segment> slruSegments) {}

    record Fork(RelTag tag, int blocks) {}

    record Segment(Slru slru, int segment, int pages) {}

    sealed interface Answer {
        /** One page, or a segment's pages one after the other. */
        record Pages(byte[] bytes) implements Answer {}

        /** An explicit error: what it says. */
        record Refused(String message) implements Answer {}
    }
}
