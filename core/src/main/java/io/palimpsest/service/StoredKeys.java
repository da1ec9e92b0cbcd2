package io.palimpsest.service;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import java.util.ArrayList;
import java.util.List;

/** A timeline by its keys, for who looks into it or measures it. Both may block. */
final class StoredKeys {
    private StoredKeys() {}

    /**
     * What is under a key at an LSN: a page as it would be served, or a directory's entry.
     *
     * @throws PageserverException NOT_FOUND if there is nothing, or the page is past the end of its
     *     relation; LSN_OUT_OF_RANGE, LSN_TIMEOUT
     */
    static byte[] read(Timeline timeline, Key key, long at) {
        long lsn = timeline.effectiveLsn(at, at);
        if (key.kind() == Keys.REL_BLOCK) {
            RelTag tag = Keys.relation(key);
            requireWithin(key, timeline.relationBlocks(tag, lsn));
            byte[] page = new byte[Page.SIZE];
            timeline.readPage(tag, key.field6(), lsn, page, 0);
            return page;
        }
        if (key.kind() == Keys.SLRU_BLOCK) {
            Slru slru = Slru.ofNumber(key.field2());
            requireWithin(key, timeline.slruBlocks(slru, key.field4(), lsn));
            byte[] page = new byte[Page.SIZE];
            timeline.readSlruPage(slru, key.field4(), key.field6(), lsn, page, 0);
            return page;
        }
        byte[] content = timeline.viewAt(lsn).image(key);
        if (content == null) {
            throw nothing(key);
        }
        return content;
    }

    private static void requireWithin(Key key, int blocks) {
        if (blocks < 0 || Integer.compareUnsigned(key.field6(), blocks) >= 0) {
            throw nothing(key);
        }
    }

    private static PageserverException nothing(Key key) {
        return PageserverException.of(ErrorCode.NOT_FOUND, "there is nothing under key %s", key);
    }

    /** The keys of all blocks of relations that there are at an LSN, in order, each once. */
    static List<KeyRange> relationBlocks(Timeline timeline, long at) {
        long lsn = timeline.effectiveLsn(at, at);
        List<KeyRange> ranges = new ArrayList<>();
        timeline.viewAt(lsn)
                .scan(
                        Keys.ofKind(Keys.REL_SIZE),
                        (key, content) -> {
                            Check.that(content.length == 4, "%s: %d bytes", key, content.length);
                            int blocks = Bytes.i32(content, 0);
                            if (blocks != 0) {
                                RelTag tag = Keys.relation(key);
                                ranges.add(
                                        new KeyRange(
                                                Keys.block(tag, 0),
                                                Keys.block(tag, blocks - 1).next()));
                            }
                        });
        return ranges;
    }

    /** Where one that was left out is: at the last record. */
    static long orLast(Timeline timeline, Lsn lsn) {
        return lsn.equals(Lsn.INVALID) ? timeline.lastRecordLsn() : lsn.value();
    }
}
