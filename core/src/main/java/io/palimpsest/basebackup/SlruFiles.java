package io.palimpsest.basebackup;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.Slru;
import io.palimpsest.protocol.TarWriter;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import java.util.Locale;
import java.util.TreeMap;

/** The transaction-status stores as files. */
final class SlruFiles {
    private static final int SEGMENT = Slru.PAGES_PER_SEGMENT;

    private final Timeline timeline;
    private final long lsn;
    private final CheckPoint checkPoint;
    private final TarWriter tar;
    private final byte[] page = new byte[Page.SIZE];

    SlruFiles(Timeline timeline, long lsn, CheckPoint checkPoint, TarWriter tar) {
        this.timeline = timeline;
        this.lsn = lsn;
        this.checkPoint = checkPoint;
        this.tar = tar;
    }

    /**
     * @param between is run between two files
     */
    void write(Runnable between) {
        for (Slru slru : Slru.values()) {
            TreeMap<Integer, Integer> stored = new TreeMap<>(Integer::compareUnsigned);
            timeline.viewAt(lsn)
                    .scan(
                            Keys.ofSlru(Keys.SLRU_SIZE, slru),
                            (key, content) -> stored.put(key.field4(), pages(slru, content)));
            // A server looks for the page of the next id when it starts, used or not.
            int next = nextPage(slru);
            int least = (next & SEGMENT - 1) + 1;
            int all = stored.getOrDefault(next / SEGMENT, 0);
            if (slru != Slru.COMMIT_TS) {
                stored.put(next / SEGMENT, Math.max(all, least));
            }
            stored.forEach((segment, pages) -> {
                between.run();
                segment(slru, segment, pages, segment == next / SEGMENT ? all : pages);
            });
        }
    }

    private int nextPage(Slru slru) {
        return switch (slru) {
            case CLOG -> Slru.clogPage((int) checkPoint.nextXid());
            case MULTIXACT_OFFSETS -> Slru.offsetsPage(checkPoint.nextMulti());
            case MULTIXACT_MEMBERS -> Slru.membersPage(checkPoint.nextMultiOffset());
            case COMMIT_TS -> Slru.commitTsPage((int) checkPoint.nextXid());
        };
    }

    private static int pages(Slru slru, byte[] content) {
        Check.that(content.length == 4, "%s: a size of %d bytes", slru, content.length);
        int pages = Bytes.i32(content, 0);
        Check.that(pages >= 0 && pages <= SEGMENT, "%s: segment of %d pages", slru, pages);
        return pages;
    }

    private void segment(Slru slru, int segment, int pages, int stored) {
        tar.file(
                slru.directory() + "/" + String.format(Locale.ROOT, "%04X", segment),
                (long) pages * Page.SIZE);
        for (int i = 0; i < stored; i++) {
            timeline.readSlruPage(slru, segment, i, lsn, page, 0);
            tar.content(page, 0, Page.SIZE);
        }
        tar.zeros((long) (pages - stored) * Page.SIZE);
        tar.endFile();
    }
}
