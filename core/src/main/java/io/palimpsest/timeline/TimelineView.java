package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.ImageScan;
import io.palimpsest.value.ReadView;
import org.jspecify.annotations.Nullable;

/** A timeline's directories as of an LSN that may be read; {@code Long.MAX_VALUE} is the latest. */
record TimelineView(ReadPath reads, HistoryWindow window, long lsn) implements ReadView {
    @Override
    public byte @Nullable [] image(Key key) {
        try {
            byte[] image = reads.image(key.hi(), key.mid(), key.lo(), lsn);
            window.checkReadable(lsn);
            return image;
        } catch (PageserverException e) {
            throw window.explained(lsn, e);
        }
    }

    @Override
    public void scan(KeyRange range, Visitor visitor) {
        ImageScan scan = new ImageScan();
        try {
            reads.scan(range, lsn, scan);
            window.checkReadable(lsn);
        } catch (PageserverException e) {
            throw window.explained(lsn, e);
        }
        scan.forEach(visitor);
    }
}
