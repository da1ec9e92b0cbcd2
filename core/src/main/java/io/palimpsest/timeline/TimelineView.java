package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.value.ReadView;
import org.jspecify.annotations.Nullable;

/** A timeline's directories as of an LSN that may be read; {@code Long.MAX_VALUE} is the latest. */
record TimelineView(GuardedReads reads, long lsn) implements ReadView {
    @Override
    public byte @Nullable [] image(Key key) {
        return reads.image(key, lsn);
    }

    @Override
    public void scan(KeyRange range, Visitor visitor) {
        reads.scan(range, lsn).forEach(visitor);
    }
}
