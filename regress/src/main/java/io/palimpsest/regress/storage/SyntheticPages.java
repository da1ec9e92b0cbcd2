package io.palimpsest.regress.storage;

import io.palimpsest.base.Bytes;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.util.SplittableRandom;

/** Page images of a relation that no PostgreSQL knows, half of each random. */
final class SyntheticPages {
    static final RelTag TAG = new RelTag(RelTag.DEFAULT_TABLESPACE, 7, 7, RelTag.MAIN);
    private static final int AT_ONCE = 32;

    private SyntheticPages() {}

    /** Writes blocks 0 to {@code pages} and makes them durable. */
    static void write(Timeline timeline, int pages) {
        SplittableRandom random = new SplittableRandom(1);
        byte[] page = new byte[Page.SIZE];
        byte[] size = new byte[4];
        Bytes.putI32(size, 0, pages);
        long lsn = timeline.lastRecordLsn();
        Modifications batch = new Modifications();
        lsn += 64;
        batch.image(Keys.relationSize(TAG), lsn, size);
        for (int block = 0; block < pages; block++) {
            lsn += Page.SIZE;
            for (int i = 24; i < Page.SIZE; i += 16) {
                Bytes.putI64(page, i, random.nextLong());
            }
            batch.image(Keys.block(TAG, block), lsn, page);
            if (batch.count() >= AT_ONCE || block == pages - 1) {
                timeline.commit(batch, lsn - Page.SIZE, lsn);
                batch.clear();
            }
        }
        timeline.flushUpTo(lsn);
    }
}
