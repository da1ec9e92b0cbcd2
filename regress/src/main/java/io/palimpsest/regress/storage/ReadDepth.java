package io.palimpsest.regress.storage;

import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.ReadTrace;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import java.util.SplittableRandom;

/** How many layers random reads of a relation's pages look into. */
final class ReadDepth implements ReadTrace {
    private static final int READS = 500;

    private long reads;
    private long searched;
    private long asked;
    private int mostSearched;
    private int searchedNow;

    /** Reads pages as of the last record. */
    static ReadDepth of(Timeline timeline, RelTag relation, int blocks, long seed) {
        ReadDepth depth = new ReadDepth();
        SplittableRandom random = new SplittableRandom(seed);
        byte[] page = new byte[Page.SIZE];
        long lsn = timeline.lastRecordLsn();
        for (int i = 0; i < READS; i++) {
            depth.searchedNow = 0;
            timeline.readPageUnderKey(
                    Keys.block(relation, random.nextInt(blocks)), lsn, page, 0, depth);
            depth.reads++;
            depth.mostSearched = Math.max(depth.mostSearched, depth.searchedNow);
        }
        return depth;
    }

    @Override
    public void timeline(TimelineId id, long belowLsn) {}

    @Override
    public void memory(long startLsn, int values) {
        count(values > 0);
    }

    @Override
    public void file(LayerDescriptor layer, boolean inFilter, int values) {
        count(inFilter);
    }

    private void count(boolean search) {
        asked++;
        if (search) {
            searched++;
            searchedNow++;
        }
    }

    /** Layers a read whose entries were searched. */
    double searched() {
        return (double) searched / reads;
    }

    /** Those, and files that a filter spared and memory that did not hold the page. */
    double asked() {
        return (double) asked / reads;
    }

    int mostSearched() {
        return mostSearched;
    }
}
