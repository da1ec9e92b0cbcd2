package io.palimpsest.timeline;

import io.palimpsest.base.Bytes;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.ReadView;

/**
 * CREATE DATABASE by file copy, as replay does it: every fork of every relation of the source as it
 * is at that point of the WAL. Pages are read one by one and handed on in batches of bounded size.
 */
final class DatabaseCopier {
    private DatabaseCopier() {}

    static void copy(Timeline timeline, Modifications.DatabaseCopy copy, int batchBytes) {
        // The latest: what of the copy is written already is under other keys. It need not be
        // readable for others: an import's history starts later.
        long source = Long.MAX_VALUE;
        ReadView view = timeline.latest();
        byte[] page = new byte[Page.SIZE];
        Modifications pages = new Modifications();
        Modifications sizes = new Modifications();
        view.scan(
                Keys.ofDatabase(Keys.REL_SIZE, copy.fromSpc(), copy.fromDb()),
                (key, content) -> {
                    RelTag from = Keys.relation(key);
                    RelTag to = new RelTag(copy.toSpc(), copy.toDb(), from.rel(), from.fork());
                    int blocks = Bytes.i32(content, 0);
                    for (int block = 0; block != blocks; block++) {
                        timeline.readPageUnderKey(Keys.block(from, block), source, page, 0);
                        pages.image(Keys.block(to, block), copy.lsn(), page);
                        if (pages.bytes() >= batchBytes) {
                            timeline.commitPart(pages, copy.lsn());
                            pages.clear();
                        }
                    }
                    sizes.image(Keys.relationSize(to), copy.lsn(), content);
                });
        timeline.commitPart(pages, copy.lsn());
        timeline.commitPart(sizes, copy.lsn());
    }
}
