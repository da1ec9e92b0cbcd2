package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import java.util.Comparator;

/**
 * An LSN of a timeline's history that has a name. A pinned one stays readable, if only at exactly
 * that LSN; another is let go when the cutoff passes it, and the name stays to say so.
 *
 * @param createdMillis when it was named, milliseconds since 1970
 * @param keptUntilMillis when a pinned one is let go, milliseconds since 1970; 0: never
 */
public record NamedPoint(
        Label name, long lsn, long createdMillis, boolean pinned, long keptUntilMillis) {
    static final Comparator<NamedPoint> ORDER =
            Comparator.comparingLong((NamedPoint p) -> p.lsn() ^ Long.MIN_VALUE)
                    .thenComparing(NamedPoint::name);

    /**
     * @throws PageserverException BAD_REQUEST if the name could be an LSN or a time
     */
    public NamedPoint {
        Check.that(
                keptUntilMillis == 0 || pinned && keptUntilMillis > 0,
                "kept until %d",
                keptUntilMillis);
        char first = name.text().charAt(0);
        if (first >= '0' && first <= '9' || name.text().indexOf('/') >= 0) {
            throw PageserverException.badRequest(
                    "'%s' is no name of a point: it must begin with a letter or '_' and have no '/', to be told from a time and an LSN",
                    name);
        }
    }

    /** A pinned one has no end. */
    public NamedPoint(Label name, long lsn, long createdMillis, boolean pinned) {
        this(name, lsn, createdMillis, pinned, 0);
    }

    NamedPoint free() {
        return new NamedPoint(name, lsn, createdMillis, false, 0);
    }

    /**
     * @param untilMillis 0: for ever
     */
    NamedPoint pinnedUntil(long untilMillis) {
        return new NamedPoint(name, lsn, createdMillis, true, untilMillis);
    }

    /** Is its time as a pinned one over? */
    boolean isOver(long nowMillis) {
        return keptUntilMillis != 0 && keptUntilMillis <= nowMillis;
    }
}
