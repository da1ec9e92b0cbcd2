package io.palimpsest.regress;

import io.palimpsest.base.Prng;
import io.palimpsest.base.TimelineId;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The timelines of a soak: main and the branches there are, at which LSNs they hang, and who is
 * reading them, so that none is deleted under a reader.
 */
final class SoakTimelines {
    /**
     * A branch; it gets no WAL, so what it shows is main at one LSN. Its parent is null if that is
     * main, its moment if the pages at that LSN are not known.
     */
    static final class Branch {
        final TimelineId id;
        final @Nullable Branch parent;
        final long lsn;
        final @Nullable SoakMoment moment;
        private int children;
        private int readers;

        Branch(TimelineId id, @Nullable Branch parent, long lsn, @Nullable SoakMoment moment) {
            this.id = id;
            this.parent = parent;
            this.lsn = lsn;
            this.moment = moment;
        }
    }

    private final List<Branch> branches = new ArrayList<>();

    synchronized void add(Branch branch) {
        branches.add(branch);
        if (branch.parent != null) {
            branch.parent.children++;
        }
    }

    synchronized int size() {
        return branches.size();
    }

    /** One of them, not to be deleted until {@link #leave}; null if there is none. */
    synchronized @Nullable Branch enter(Prng prng) {
        if (branches.isEmpty()) {
            return null;
        }
        Branch branch = branches.get(prng.nextInt(branches.size()));
        branch.readers++;
        return branch;
    }

    /** The same of one that is known. */
    synchronized void enter(Branch branch) {
        branch.readers++;
    }

    synchronized void leave(Branch branch) {
        branch.readers--;
    }

    /** Takes out one that may be deleted now: nobody reads it and nothing hangs on it. */
    synchronized @Nullable Branch takeOut(Prng prng) {
        List<Branch> free =
                branches.stream().filter(b -> b.readers == 0 && b.children == 0).toList();
        if (free.isEmpty()) {
            return null;
        }
        Branch branch = free.get(prng.nextInt(free.size()));
        branches.remove(branch);
        if (branch.parent != null) {
            branch.parent.children--;
        }
        return branch;
    }
}
