package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.BranchProperties;
import io.palimpsest.timeline.BranchProperties.Title;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineState;
import io.palimpsest.timeline.TimelineStore;
import io.palimpsest.timeline.TimelineTree;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Which timeline of a tenant a name means. Each timeline's index says what the timeline is called;
 * the one that has said so last is it, so that a name goes from one to another by one commit, and
 * there is no moment at which a crash leaves it with nobody (decision 0113).
 */
public final class BranchNames {
    private record Reserved(TenantId tenant, Label label) implements Comparable<Reserved> {
        @Override
        public int compareTo(Reserved o) {
            int c = tenant.compareTo(o.tenant);
            return c != 0 ? c : label.compareTo(o.label);
        }
    }

    private final TimelineTable table;
    private final TimelineStore store;
    private final TimelineTree tree;

    /** Held over the local commits of names and of protection, one after the other. */
    private final Monitor naming;

    /**
     * Tenants not all of whose timelines are open yet: whom a name means is not known. Guarded by
     * {@link #naming}.
     */
    private final TreeSet<TenantId> opening = new TreeSet<>();

    /** Tenants that are being deleted. Guarded by {@link #naming}. */
    private final TreeSet<TenantId> going = new TreeSet<>();

    /** Names of timelines that are being made. Guarded by {@link #naming}. */
    private final TreeSet<Reserved> reserved = new TreeSet<>();

    BranchNames(Environment environment, TimelineTable table, TimelineStore store) {
        this.table = table;
        this.store = store;
        this.tree = store.tree();
        this.naming = environment.tasks().monitor("branch-names");
    }

    /** Timelines of a tenant begin to be opened. */
    void opening(TenantId tenant) {
        naming.lock();
        try {
            opening.add(tenant);
        } finally {
            naming.unlock();
        }
    }

    /** All are that can be. */
    void opened(TenantId tenant) {
        naming.lock();
        try {
            opening.remove(tenant);
        } finally {
            naming.unlock();
        }
    }

    /** UNAVAILABLE while it is not known whom a name means. */
    void checkKnown(TenantId tenant) {
        naming.lock();
        try {
            checkOpened(tenant);
        } finally {
            naming.unlock();
        }
    }

    private void checkOpened(TenantId tenant) {
        if (opening.contains(tenant)) {
            throw PageserverException.of(
                    ErrorCode.UNAVAILABLE,
                    "tenant %s is being opened: its branches' names are not all known yet; try again",
                    tenant);
        }
    }

    /** The timeline that is called so, or null. */
    public @Nullable Timeline find(TenantId tenant, Label label) {
        Timeline found = null;
        for (Timeline timeline : claimants(tenant, label)) {
            found = found == null || wins(timeline, found) ? timeline : found;
        }
        return found;
    }

    /** What a timeline is called, or null. */
    public @Nullable Label of(Timeline timeline) {
        Title title = timeline.properties().title();
        return title != null && timeline.equals(find(timeline.tenant().tenant(), title.label()))
                ? title.label()
                : null;
    }

    /** What the timelines of a tenant are called that are called anything. */
    public Map<TimelineId, Label> all(TenantId tenant) {
        TreeMap<Label, Timeline> winners = new TreeMap<>();
        table.forEach((name, entry) -> {
            Timeline timeline = entry.timeline();
            Title title = name.tenant().equals(tenant) ? title(timeline) : null;
            if (timeline != null && title != null) {
                Timeline best = winners.get(title.label());
                if (best == null || wins(timeline, best)) {
                    winners.put(title.label(), timeline);
                }
            }
        });
        TreeMap<TimelineId, Label> names = new TreeMap<>();
        winners.forEach((label, timeline) -> names.put(timeline.id(), label));
        return names;
    }

    private static @Nullable Title title(@Nullable Timeline timeline) {
        return timeline == null || timeline.state() instanceof TimelineState.Deleting
                ? null
                : timeline.properties().title();
    }

    private List<Timeline> claimants(TenantId tenant, Label label) {
        List<Timeline> found = new ArrayList<>(1);
        table.forEach((name, entry) -> {
            Title title = name.tenant().equals(tenant) ? title(entry.timeline()) : null;
            if (entry.timeline() != null && title != null && title.label().equals(label)) {
                found.add(entry.timeline());
            }
        });
        return found;
    }

    private static boolean wins(Timeline one, Timeline other) {
        Title a = one.properties().title();
        Title b = other.properties().title();
        long by = Long.compare(a == null ? -1 : a.since(), b == null ? -1 : b.since());
        return by != 0 ? by > 0 : one.id().compareTo(other.id()) < 0;
    }

    /** What its new holder says: later than whoever has said it. */
    private Title next(TenantId tenant, Label label) {
        long since = 0;
        for (Timeline timeline : claimants(tenant, label)) {
            Title title = timeline.properties().title();
            since = Math.max(since, title == null ? 0 : title.since());
        }
        return new Title(label, since + 1);
    }

    /**
     * Keeps a name for a timeline that is to be made; {@link #made} follows.
     *
     * @throws PageserverException CONFLICT if it is taken
     */
    @Nullable Title reserve(TenantId tenant, @Nullable Label label) {
        if (label == null) {
            return null;
        }
        naming.lock();
        try {
            checkOpened(tenant);
            checkFree(tenant, label);
            reserved.add(new Reserved(tenant, label));
            return next(tenant, label);
        } finally {
            naming.unlock();
        }
    }

    /** The timeline is there, or will not be. */
    void made(TenantId tenant, @Nullable Label label) {
        if (label != null) {
            naming.lock();
            try {
                reserved.remove(new Reserved(tenant, label));
            } finally {
                naming.unlock();
            }
        }
    }

    private void checkFree(TenantId tenant, Label label) {
        Timeline holder = find(tenant, label);
        if (holder != null || reserved.contains(new Reserved(tenant, label))) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "the name %s is taken by %s",
                    label,
                    holder == null
                            ? "a branch that is being made"
                            : "timeline " + holder.id() + "; rename that, or use another name");
        }
    }

    /**
     * Gives a timeline another name. The same again is fine.
     *
     * @throws PageserverException CONFLICT if it is taken; PRECONDITION_FAILED if the timeline is
     *     protected
     */
    public void rename(Timeline timeline, Label to) {
        store.checkOwner(timeline.tenant());
        TenantId tenant = timeline.tenant().tenant();
        naming.lock();
        try {
            checkOpened(tenant);
            if (!to.equals(of(timeline))) {
                checkFree(tenant, to);
                Title title = next(tenant, to);
                tree.change(timeline, p -> unprotected(timeline, p).as(title));
            }
        } finally {
            naming.unlock();
        }
        tree.awaitPropertiesStored(timeline);
    }

    /**
     * Gives a timeline the name of another one, which gets a new name, or none. If a failure comes
     * between, the first has its name, and the second none; the same again does what is left.
     *
     * @param preserveUnder what the former holder of the name is called from now on; null: nothing
     * @throws PageserverException NOT_FOUND if nobody has the name; CONFLICT if {@code
     *     preserveUnder} is taken; PRECONDITION_FAILED if one of them is protected
     */
    public void take(Timeline timeline, Label name, @Nullable Label preserveUnder) {
        store.checkOwner(timeline.tenant());
        TenantId tenant = timeline.tenant().tenant();
        List<Timeline> before = new ArrayList<>();
        naming.lock();
        try {
            checkOpened(tenant);
            Timeline holder = find(tenant, name);
            if (holder == null) {
                throw PageserverException.of(
                        ErrorCode.NOT_FOUND, "tenant %s has no branch %s", tenant, name);
            }
            boolean mine = holder.equals(timeline);
            if (!mine) {
                requireGives(holder, preserveUnder);
                Title title = next(tenant, name);
                tree.change(timeline, p -> unprotected(timeline, p).as(title));
            }
            // Whoever has said so before: one, or those too that a failure has left.
            for (Timeline claimant : claimants(tenant, name)) {
                if (!claimant.equals(timeline)) {
                    Title kept =
                            preserveUnder == null || find(tenant, preserveUnder) != null
                                    ? null
                                    : next(tenant, preserveUnder);
                    tree.change(claimant, p -> p.as(kept));
                    before.add(claimant);
                }
            }
        } finally {
            naming.unlock();
        }
        tree.awaitPropertiesStored(timeline);
        before.forEach(tree::awaitPropertiesStored);
    }

    /**
     * May a timeline give its name away, and be called so afterwards?
     *
     * @throws PageserverException as {@link #take} would
     */
    public void checkGives(Timeline holder, @Nullable Label preserveUnder) {
        naming.lock();
        try {
            checkOpened(holder.tenant().tenant());
            requireGives(holder, preserveUnder);
        } finally {
            naming.unlock();
        }
    }

    private void requireGives(Timeline holder, @Nullable Label preserveUnder) {
        BranchProperties _ = unprotected(holder, holder.properties());
        if (preserveUnder != null) {
            checkFree(holder.tenant().tenant(), preserveUnder);
        }
    }

    private static BranchProperties unprotected(Timeline timeline, BranchProperties properties) {
        Title title = properties.title();
        if (properties.isProtected() && title != null) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "branch %s (timeline %s) is protected and keeps its name; unprotect it first",
                    title.label(),
                    timeline.id());
        }
        return properties;
    }

    /** It is neither deleted nor archived, and keeps its name, until that is taken back. */
    void protect(Timeline timeline, boolean on) {
        store.checkOwner(timeline.tenant());
        naming.lock();
        try {
            if (going.contains(timeline.tenant().tenant())) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT, "tenant %s is being deleted", timeline.tenant());
            }
            tree.change(timeline, properties -> properties.protect(on));
        } finally {
            naming.unlock();
        }
        tree.awaitPropertiesStored(timeline);
    }

    /**
     * All timelines of a tenant are to go: none of them is protected any more afterwards.
     *
     * @param protectedToo those too that are protected now
     * @throws PageserverException PRECONDITION_FAILED if one is, and they are not to go
     */
    void goes(TenantId tenant, List<Timeline> all, boolean protectedToo) {
        naming.lock();
        try {
            for (Timeline timeline : all) {
                if (!protectedToo && timeline.properties().isProtected()) {
                    throw PageserverException.of(
                            ErrorCode.PRECONDITION_FAILED,
                            "branch %s of tenant %s is protected; unprotect it first, or say that protected ones are to go, too",
                            called(timeline),
                            tenant);
                }
            }
            going.add(tenant);
        } finally {
            naming.unlock();
        }
    }

    private static String called(Timeline timeline) {
        Title title = timeline.properties().title();
        return title == null
                ? timeline.id().toString()
                : title.label() + " (" + timeline.id() + ")";
    }

    /** It does not go, or is gone. */
    void stays(TenantId tenant) {
        naming.lock();
        try {
            going.remove(tenant);
        } finally {
            naming.unlock();
        }
    }

    /**
     * A timeline goes: those that had its name before it, and were left with it by a failure, do
     * not get it back.
     */
    void settle(Timeline going) {
        Title title = going.properties().title();
        if (title == null) {
            return;
        }
        naming.lock();
        try {
            if (going.equals(find(going.tenant().tenant(), title.label()))) {
                for (Timeline claimant : claimants(going.tenant().tenant(), title.label())) {
                    if (!claimant.equals(going)) {
                        tree.change(claimant, properties -> properties.as(null));
                    }
                }
            }
        } finally {
            naming.unlock();
        }
    }
}
