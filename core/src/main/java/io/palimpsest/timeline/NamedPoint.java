package io.palimpsest.timeline;

import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import java.util.Comparator;

/**
 * An LSN of a timeline's history that has a name. A pinned one stays readable, if only at exactly
 * that LSN; another is let go when the cutoff passes it, and the name stays to say so.
 *
 * @param createdMillis when it was named, milliseconds since 1970
 */
public record NamedPoint(Label name, long lsn, long createdMillis, boolean pinned) {
    static final Comparator<NamedPoint> ORDER =
            Comparator.comparingLong((NamedPoint p) -> p.lsn() ^ Long.MIN_VALUE)
                    .thenComparing(NamedPoint::name);

    /**
     * @throws PageserverException BAD_REQUEST if the name could be an LSN or a time
     */
    public NamedPoint {
        char first = name.text().charAt(0);
        if (first >= '0' && first <= '9' || name.text().indexOf('/') >= 0) {
            throw PageserverException.badRequest(
                    "'%s' is no name of a point: it must begin with a letter or '_' and have no '/', to be told from a time and an LSN",
                    name);
        }
    }

    NamedPoint pinned(boolean pin) {
        return new NamedPoint(name, lsn, createdMillis, pin);
    }
}
