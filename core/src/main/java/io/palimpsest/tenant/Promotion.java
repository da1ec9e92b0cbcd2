package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.tenant.TimelineTable.Entry;
import io.palimpsest.tenant.TimelineTable.Name;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineState;
import io.palimpsest.timeline.TimelineStore;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Makes a branch independent of what it hangs on, and has siblings hang on it whose history it has
 * (decision 0118):
 *
 * <pre>
 *   old --A----B----C-->          old ------------C-->
 *         |    |    |      ==>                    `- late
 *         |    |    `- late       branch --A----B-->
 *         |    `- branch                   `- early
 *         `- early
 * </pre>
 *
 * The siblings first, one after the other, then the branch: whatever is cut short in between leaves
 * a tree that can be read, and the same again does the rest.
 */
final class Promotion {
    private final TimelineStore store;
    private final TimelineTable table;
    private final Timeline branch;
    private final Operation operation;

    /** What nobody else is to change meanwhile, and what it was. */
    private final TreeMap<Name, Entry> kept = new TreeMap<>();

    /**
     * @param branch kept for the caller
     * @param operation looked at before each step; siblings that hang on the branch by then stay
     */
    Promotion(TimelineStore store, TimelineTable table, Timeline branch, Operation operation) {
        this.operation = operation;
        this.store = store;
        this.table = table;
        this.branch = branch;
    }

    List<TimelineId> run(boolean siblings) {
        try {
            Timeline ancestor = branch.ancestor();
            TreeSet<TimelineId> moved = new TreeSet<>();
            if (ancestor != null) {
                // Theirs is kept by the ancestor as long as the branch is not independent.
                List<Timeline> there = keep(branch, branch.ancestorLsn() - 1);
                there.forEach(early -> moved.add(early.id()));
                List<Timeline> wanted =
                        siblings ? keep(ancestor, branch.ancestorLsn()) : List.<Timeline>of();
                checkActive(wanted);
                for (Timeline sibling : wanted) {
                    operation.checkGoesOn();
                    store.tree().hangOn(sibling, branch);
                    moved.add(sibling.id());
                }
                store.tree().detach(branch, operation);
            }
            // Of those that an earlier attempt has moved, too.
            long adopted = siblings ? branch.adoptedLsn() : branch.adoptedLsn() - 1;
            forBranches(branch, adopted, sibling -> moved.add(sibling.id()));
            return List.copyOf(moved);
        } finally {
            kept.forEach(table::put);
        }
    }

    private interface Visitor {
        void accept(Timeline branch);
    }

    /** Those that hang on a timeline, up to an LSN, and are well. */
    private void forBranches(Timeline on, long upTo, Visitor visitor) {
        TenantId tenant = branch.tenant().tenant();
        List<Timeline> found = new ArrayList<>();
        table.forEach((name, entry) -> {
            Timeline timeline = entry.timeline();
            if (name.tenant().equals(tenant)
                    && timeline != null
                    && timeline != branch
                    && entry.broken() == null
                    && timeline.failure() == null
                    && on.equals(timeline.ancestor())
                    && timeline.ancestorLsn() <= upTo) {
                found.add(timeline);
            }
        });
        found.forEach(visitor::accept);
    }

    /** The same, kept from others. */
    private List<Timeline> keep(Timeline on, long upTo) {
        List<Timeline> all = new ArrayList<>();
        forBranches(
                on,
                upTo,
                timeline -> {
                    Name name = new Name(branch.tenant().tenant(), timeline.id());
                    Entry before = reserve(name, timeline);
                    if (before != null) {
                        kept.put(name, before);
                        all.add(timeline);
                    }
                });
        return all;
    }

    /** Null if it went in this moment. */
    private @Nullable Entry reserve(Name name, Timeline timeline) {
        try {
            return table.reserve(
                    name,
                    "hung on another branch",
                    entry -> {
                        if (entry == null || entry.timeline() != timeline) {
                            throw PageserverException.of(
                                    ErrorCode.NOT_FOUND, "timeline %s has gone", name.timeline());
                        }
                    });
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND) {
                return null;
            }
            throw e;
        }
    }

    private void checkActive(List<Timeline> siblings) {
        if (branch.state() instanceof TimelineState.Active) {
            return;
        }
        for (Timeline sibling : siblings) {
            if (sibling.state() instanceof TimelineState.Active) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "timeline %s is archived, and branch %s, which is to hang on it, is not: unarchive the one or archive the other first, or have siblings stay where they are",
                        branch.id(),
                        sibling.id());
            }
        }
    }
}
