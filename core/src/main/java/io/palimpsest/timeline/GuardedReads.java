package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.ImageScan;
import org.jspecify.annotations.Nullable;

/**
 * Reads of what may be read. The cutoff is asked after each read: it is published before anything
 * below it goes, so what was read until then was whole, and what failed may have failed for that.
 */
record GuardedReads(ReadPath reads, HistoryWindow window) {
    /** See {@link ReadPath#size}. */
    int size(long hi, long mid, long lo, long lsn) {
        try {
            int size = reads.size(hi, mid, lo, lsn);
            window.checkReadable(lsn);
            return size;
        } catch (PageserverException e) {
            throw window.explained(lsn, e);
        }
    }

    void page(long hi, long mid, long lo, long lsn, byte[] into, int at) {
        try {
            reads.page(hi, mid, lo, lsn, into, at);
            window.checkReadable(lsn);
        } catch (PageserverException e) {
            throw window.explained(lsn, e);
        }
    }

    /** See {@link ReadPath#image}. */
    byte @Nullable [] image(Key key, long lsn) {
        try {
            byte[] image = reads.image(key.hi(), key.mid(), key.lo(), lsn);
            window.checkReadable(lsn);
            return image;
        } catch (PageserverException e) {
            throw window.explained(lsn, e);
        }
    }

    /** See {@link ReadPath#scan}. */
    ImageScan scan(KeyRange range, long lsn) {
        ImageScan scan = new ImageScan();
        try {
            reads.scan(range, lsn, scan);
            window.checkReadable(lsn);
            return scan;
        } catch (PageserverException e) {
            throw window.explained(lsn, e);
        }
    }
}
