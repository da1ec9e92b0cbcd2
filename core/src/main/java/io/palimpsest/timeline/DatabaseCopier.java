package io.palimpsest.timeline;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.util.Arrays;
import java.util.TreeSet;

/**
 * CREATE DATABASE by file copy, as replay does it: every fork of every relation of the source as it
 * is at that point of the WAL, and no relation that was in the way. All of it is at the copy's LSN,
 * each key once, since it may become image layers part by part. Pages are read together and handed
 * on in batches of bounded size.
 */
final class DatabaseCopier {
    /**
     * The latest: what of the copy is written already is under other keys. It need not be readable
     * for others: an import's history starts later.
     */
    private static final long SOURCE = Long.MAX_VALUE;

    private final Timeline timeline;
    private final Modifications.DatabaseCopy copy;
    private final int batchBytes;
    private final PageBatch batch;
    private final byte[] bytes;
    private final Modifications pages = new Modifications();

    private DatabaseCopier(Timeline timeline, Modifications.DatabaseCopy copy, int batchBytes) {
        this.timeline = timeline;
        this.copy = copy;
        this.batchBytes = batchBytes;
        batch = new PageBatch(timeline.batchPages());
        bytes = new byte[timeline.batchPages() * Page.SIZE];
    }

    static void copy(Timeline timeline, Modifications.DatabaseCopy copy, int batchBytes) {
        new DatabaseCopier(timeline, copy, batchBytes).run();
    }

    private void run() {
        Modifications sizes = new Modifications();
        TreeSet<Key> inTheWay = new TreeSet<>();
        timeline.latest()
                .scan(
                        Keys.ofDatabase(Keys.REL_SIZE, copy.toSpc(), copy.toDb()),
                        (key, content) -> inTheWay.add(key));
        timeline.latest()
                .scan(
                        Keys.ofDatabase(Keys.REL_SIZE, copy.fromSpc(), copy.fromDb()),
                        (key, content) -> {
                            RelTag from = Keys.relation(key);
                            RelTag to =
                                    new RelTag(copy.toSpc(), copy.toDb(), from.rel(), from.fork());
                            relation(from, to, Bytes.i32(content, 0));
                            Key size = Keys.relationSize(to);
                            sizes.image(size, copy.lsn(), content);
                            inTheWay.remove(size);
                        });
        inTheWay.forEach(size -> sizes.tombstone(size, copy.lsn()));
        timeline.commitPart(pages, copy.lsn());
        timeline.commitPart(sizes, copy.lsn());
    }

    /**
     * @param blocks unsigned
     */
    private void relation(RelTag from, RelTag to, int blocks) {
        int first = 0;
        while (first != blocks) {
            int next = first;
            batch.clear();
            while (next != blocks && !batch.isFull()) {
                batch.add(from, next, SOURCE, (next - first) * Page.SIZE);
                next++;
            }
            timeline.reads().pages(batch, bytes);
            for (int block = first; block != next; block++) {
                int at = (block - first) * Page.SIZE;
                byte[] page = Arrays.copyOfRange(bytes, at, at + Page.SIZE);
                pages.image(Keys.block(to, block), copy.lsn(), page);
            }
            if (pages.bytes() >= batchBytes) {
                timeline.commitPart(pages, copy.lsn());
                pages.clear();
            }
            first = next;
        }
    }
}
