package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.Collected;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.timeline.StoredTimeline;
import io.palimpsest.value.Keys;

/** Pages of a timeline's files, as of LSNs. */
final class StoredPage {
    private StoredPage() {}

    /**
     * The key of one block.
     *
     * @throws PageserverException BAD_REQUEST
     */
    static Key key(String text) {
        KeyRange range = KeyText.parse(text);
        if (!range.end().equals(range.start().next())) {
            throw PageserverException.badRequest(
                    "'%s' names no block: expected spc/db/rel/block", text);
        }
        return range.start();
    }

    /**
     * An LSN that is in the files: {@code latest}, or as it is written.
     *
     * @throws PageserverException LSN_OUT_OF_RANGE
     */
    static long lsn(StoredTimeline timeline, String text) {
        long newest = timeline.diskConsistentLsn();
        long lsn = text.equals("latest") ? newest : Lsn.parse(text).value();
        if (Long.compareUnsigned(lsn, newest) > 0) {
            throw PageserverException.of(
                    ErrorCode.LSN_OUT_OF_RANGE,
                    "LSN %s is not in the files: the index goes up to %s",
                    Lsn.toString(lsn),
                    Lsn.toString(newest));
        }
        return lsn;
    }

    /**
     * The page, by our own redo.
     *
     * @throws PageserverException CORRUPTION if it cannot be made
     */
    static byte[] read(StoredTimeline timeline, Key key, long lsn, BlockCache cache) {
        if (!Keys.isPage(key.hi())) {
            throw PageserverException.badRequest("%s is no page", KeyText.text(key));
        }
        Reconstruction values = new Reconstruction();
        values.reset(key.hi(), key.mid(), key.lo(), lsn);
        if (timeline.collect(values, cache) != Collected.COMPLETE) {
            throw PageserverException.corruption(
                    "%s at %s: no value that needs nothing below it, the page cannot be made",
                    KeyText.text(key), Lsn.toString(lsn));
        }
        return redo(timeline, values, cache);
    }

    /** What redo makes of all that was collected of a page. */
    static byte[] redo(StoredTimeline timeline, Reconstruction values, BlockCache cache) {
        byte[] page = new byte[Page.SIZE];
        PageRedo redo = new PageRedo(timeline.redoContext(cache));
        for (int i = values.count() - 1; i >= 0; i--) {
            redo.apply(page, values.bytes(), values.offset(i), values.length(i), values.lsn(i));
        }
        return page;
    }
}
