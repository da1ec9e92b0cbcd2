package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What people say of a timeline, as its index has it: its name, whether it is protected, until when
 * it is wanted, and names of points in its history.
 *
 * @param title null: it has no name
 * @param isProtected is neither deleted nor archived, and keeps its name, until that is taken back
 * @param expiresMillis it is deleted then, milliseconds since 1970; 0: never
 * @param points by LSN and name, each name once
 */
public record BranchProperties(
        @Nullable Title title, boolean isProtected, long expiresMillis, List<NamedPoint> points) {
    /** An index is written whole with each flush: it must stay small. */
    static final int MOST_POINTS = 1000;

    public static final BranchProperties NONE = new BranchProperties(null, false, 0, List.of());

    /**
     * A name that a timeline has said is its own. Taking a name over is one commit, of the timeline
     * that takes it: so of several in a tenant that say the same, it is the one's with the largest
     * {@code since}, and of equal ones the one's with the smallest id (decision 0113).
     */
    public record Title(Label label, long since) {}

    public BranchProperties {
        points = points.stream().sorted(NamedPoint.ORDER).toList();
        TreeSet<Label> names = new TreeSet<>();
        for (NamedPoint point : points) {
            Check.that(names.add(point.name()), "point %s twice", point.name());
        }
    }

    /** Nothing but a name. */
    public static BranchProperties titled(@Nullable Title title) {
        return title == null ? NONE : new BranchProperties(title, false, 0, List.of());
    }

    public BranchProperties as(@Nullable Title newTitle) {
        return new BranchProperties(newTitle, isProtected, expiresMillis, points);
    }

    public BranchProperties protect(boolean on) {
        return new BranchProperties(title, on, expiresMillis, points);
    }

    public BranchProperties expiring(long atMillis) {
        return new BranchProperties(title, isProtected, atMillis, points);
    }

    /** The point of that name, or null. */
    public @Nullable NamedPoint point(Label name) {
        for (NamedPoint point : points) {
            if (point.name().equals(name)) {
                return point;
            }
        }
        return null;
    }

    BranchProperties without(Label point) {
        return new BranchProperties(
                title,
                isProtected,
                expiresMillis,
                points.stream().filter(p -> !p.name().equals(point)).toList());
    }

    /** With that point in place of the one of its name, if there is one. */
    BranchProperties with(NamedPoint point) {
        List<NamedPoint> all = new ArrayList<>(without(point.name()).points);
        if (all.size() >= MOST_POINTS) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "a branch has at most %d named points: delete some of them first",
                    MOST_POINTS);
        }
        all.add(point);
        return new BranchProperties(title, isProtected, expiresMillis, all);
    }

    /** When the first pinned point is let go, since 1970; 0: none is. */
    public long firstPinEndMillis() {
        return points.stream()
                .mapToLong(NamedPoint::keptUntilMillis)
                .filter(until -> until != 0)
                .min()
                .orElse(0);
    }

    /** Without the pins whose time is over. */
    BranchProperties lettingGo(long nowMillis) {
        return new BranchProperties(
                title,
                isProtected,
                expiresMillis,
                points.stream().map(p -> p.isOver(nowMillis) ? p.free() : p).toList());
    }

    /** Is there a pinned point at that LSN? */
    boolean pins(long lsn) {
        return points.stream().anyMatch(p -> p.pinned() && p.lsn() == lsn);
    }

    long[] pinned() {
        return points.stream()
                .filter(NamedPoint::pinned)
                .mapToLong(NamedPoint::lsn)
                .distinct()
                .toArray();
    }
}
