package io.palimpsest.ingest;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.KeyRange;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.ReadView;
import io.palimpsest.value.StoredValue;

/**
 * Notes the first commit of every second, so that times can be found in the history. Commits may be
 * logged in another order than their times, and a clock may be set back: a commit of a second that
 * is not after all those before is no first one.
 */
final class CommitTimes {
    private static final long MICROS = 1_000_000L;
    private static final long NONE = -1;

    /** The largest second noted; what the view has is asked at the first commit. */
    private long newest = NONE;

    /** The moment is {@code micros} since 2000; those before are not noted. */
    void commit(long micros, long lsn, ReadView committed, Modifications out) {
        long second = Math.floorDiv(micros, MICROS);
        if (second <= newest) {
            return;
        }
        if (newest == NONE) {
            newest = newestNoted(Math.max(0, second), committed);
        }
        if (second > newest && second < 0xFFFF_FFFFL) {
            newest = second;
            out.begin(Keys.hi(Keys.COMMIT_TIME, 0), Keys.mid((int) second, 0), 0, lsn);
            out.out().u8(StoredValue.IMAGE);
            out.out().i64(micros);
            out.out().i64(lsn);
            out.end();
        }
    }

    /** Of the seconds from {@code second} on; that before if there is none. */
    private static long newestNoted(long second, ReadView committed) {
        long[] found = {second - 1};
        committed.scan(
                new KeyRange(Keys.commitTime(second), Keys.ofKind(Keys.COMMIT_TIME).end()),
                (key, content) ->
                        found[0] =
                                Math.max(found[0], Math.floorDiv(Bytes.i64(content, 0), MICROS)));
        return found[0];
    }
}
