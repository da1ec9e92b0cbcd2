package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import io.palimpsest.compaction.Pages;
import io.palimpsest.pg.Page;
import io.palimpsest.port.Environment;
import io.palimpsest.value.Keys;
import java.util.TreeMap;

/**
 * Pages made of the entries that a merge of layers brings, as they come: what a page needs has been
 * read by then, and is not looked for again. What the layers lack, the page that the oldest value
 * applies to, is read as readers do: it is the ancestor's.
 */
final class MergedPages implements Pages {
    /** Values of one page are applied when there are so many bytes, though more may come. */
    private static final int MAX_BYTES = 1 << 20;

    private final Timeline timeline;
    private final HistoryRedo redo;
    private final KeyValues values = new KeyValues();
    private final byte[] base = new byte[Page.SIZE];
    private final byte[] page = new byte[Page.SIZE];
    private final TreeMap<Long, Liveness> liveness = new TreeMap<>();

    MergedPages(Timeline timeline) {
        this.timeline = timeline;
        Environment world = timeline.environment();
        this.redo =
                new HistoryRedo(
                        timeline.redoContext(), world.redo(), world.tracer(), timeline.subject());
    }

    /** Takes the next entry, in order of key, then LSN. */
    void add(long hi, long mid, long lo, long lsn, byte[] b, int at, int length) {
        if (!Keys.isPage(hi)) {
            return;
        }
        if (!values.isFor(hi, mid, lo)) {
            values.start(hi, mid, lo);
        }
        values.add(lsn, b, at, length);
        if (values.size() > MAX_BYTES
                && values.count() > 1
                && (values.complete() || live(hi, mid, lo, values.lsn(0)))) {
            values.become(make());
        }
    }

    @Override
    public boolean live(long hi, long mid, long lo, long lsn) {
        return liveness.computeIfAbsent(lsn, l -> new Liveness(timeline, l)).live(hi, mid, lo);
    }

    /** Valid until the next call. */
    @Override
    public byte[] at(long hi, long mid, long lo, long lsn) {
        if (values.isFor(hi, mid, lo)
                && values.count() > 0
                && Long.compareUnsigned(values.lsn(0), lsn) <= 0) {
            return make();
        }
        timeline.readPageUnderKey(new Key(hi, mid, lo), lsn, page, 0);
        return page;
    }

    private byte[] make() {
        if (!values.complete()) {
            Key key = new Key(values.hi(), values.mid(), values.lo());
            timeline.readPageUnderKey(key, values.oldest() - 1, base, 0);
            values.base(base);
        }
        redo.redo(values, page);
        return page;
    }
}
