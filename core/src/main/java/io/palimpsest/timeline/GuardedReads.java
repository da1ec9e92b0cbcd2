package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.ImageScan;
import io.palimpsest.layer.ReadTrace;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.Keys;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads of what may be read. The cutoff is asked after each read: it is published before anything
 * below it goes, so what was read until then was whole, and what failed may have failed for that.
 */
record GuardedReads(ReadPath reads, HistoryWindow window, RelationSizes sizes) {
    /** The size under a size key, -1 if there is none; looked for only if it is not known. */
    int size(long hi, long mid, long lo, long lsn) {
        boolean settled = sizes.settled(lsn);
        int known = settled ? sizes.find(hi, mid, lo, lsn) : KnownSizes.UNKNOWN;
        if (known != KnownSizes.UNKNOWN) {
            window.checkReadable(lsn);
            return known;
        }
        try {
            SizeAt size = reads.size(hi, mid, lo, lsn);
            window.checkReadable(lsn);
            if (settled) {
                sizes.learn(new Key(hi, mid, lo), size, lsn);
            }
            return size.blocks();
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

    /** Of a page within its relation; false if it is not, may not be read or is not at hand. */
    boolean tryPage(RelTag tag, int block, long lsn, byte[] into, int at, RedoContext context) {
        long mid = Keys.mid(tag.db(), tag.rel());
        int blocks =
                trySize(
                        Keys.hi(Keys.REL_SIZE, tag.spc()),
                        mid,
                        Keys.lo(tag.fork(), 0),
                        lsn,
                        context);
        return blocks >= 0
                && Integer.compareUnsigned(block, blocks) < 0
                && reads.tryPage(
                        Keys.hi(Keys.REL_BLOCK, tag.spc()),
                        mid,
                        Keys.lo(tag.fork(), block),
                        lsn,
                        into,
                        at,
                        context)
                && window.readable(lsn);
    }

    private int trySize(long hi, long mid, long lo, long lsn, RedoContext context) {
        boolean settled = sizes.settled(lsn);
        int known = settled ? sizes.find(hi, mid, lo, lsn) : KnownSizes.UNKNOWN;
        if (known != KnownSizes.UNKNOWN) {
            return known;
        }
        SizeAt size = reads.trySize(hi, mid, lo, lsn, context);
        if (size == null || !window.readable(lsn)) {
            return -1;
        }
        if (settled) {
            sizes.learn(new Key(hi, mid, lo), size, lsn);
        }
        return size.blocks();
    }

    void page(Key key, long lsn, byte[] into, int at, ReadTrace trace) {
        try {
            reads.page(key, lsn, into, at, trace);
            window.checkReadable(lsn);
        } catch (PageserverException e) {
            throw window.explained(lsn, e);
        }
    }

    /** Pages of relations, zeros past their ends; see {@link ReadPath#pages}. */
    void pages(PageBatch batch, byte[] into) {
        int blocks = -1;
        for (int i = 0; i < batch.size(); i++) {
            if (!batch.followsOn(i)) {
                blocks = blocks(batch, i);
            }
            if (Integer.compareUnsigned((int) batch.lo(i), blocks) >= 0) {
                Arrays.fill(into, batch.at(i), batch.at(i) + Page.SIZE, (byte) 0);
                batch.remove(i--);
            }
        }
        try {
            reads.pages(batch, into);
            for (int i = 0; i < batch.size(); i++) {
                if (!batch.followsOn(i)) {
                    window.checkReadable(batch.lsn(i));
                }
            }
        } catch (PageserverException e) {
            throw window.explained(batch.lowestLsn(), e);
        }
    }

    /** Of the relation that a page of the batch belongs to. */
    private int blocks(PageBatch batch, int i) {
        RelTag tag = Keys.relation(new Key(batch.hi(i), batch.mid(i), batch.lo(i)));
        Key key = Keys.relationSize(tag);
        int blocks = size(key.hi(), key.mid(), key.lo(), batch.lsn(i));
        if (blocks < 0) {
            throw noRelation(tag, batch.lsn(i));
        }
        return blocks;
    }

    static PageserverException noRelation(RelTag tag, long lsn) {
        return PageserverException.of(
                ErrorCode.NOT_FOUND, "relation %s does not exist at %s", tag, Lsn.toString(lsn));
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
