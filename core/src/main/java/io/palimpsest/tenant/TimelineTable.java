package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalReceiver;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Which timelines there are: what each name leads to. Who changes what is under a name reserves it
 * first, since that takes disk and network; who looks never waits.
 */
final class TimelineTable {
    /** A timeline's name. */
    record Name(TenantId tenant, TimelineId timeline) implements Comparable<Name> {
        @Override
        public int compareTo(Name o) {
            int c = tenant.compareTo(o.tenant);
            return c != 0 ? c : timeline.compareTo(o.timeline);
        }
    }

    /**
     * What a name leads to: a timeline, or why there is none.
     *
     * @param busy what is being done with it by somebody who has reserved it, or null
     */
    record Entry(
            @Nullable Timeline timeline,
            @Nullable WalReceiver receiver,
            @Nullable PageserverException broken,
            @Nullable String busy) {
        static Entry of(Timeline timeline, @Nullable WalReceiver receiver) {
            return new Entry(timeline, receiver, null, null);
        }

        static Entry broken(@Nullable Timeline timeline, PageserverException why) {
            return new Entry(timeline, null, why, null);
        }

        /** A crash has ended its import: there is only a source, and it may be tried again. */
        boolean unfinished() {
            return timeline == null && broken != null && broken.code() == ErrorCode.NOT_FOUND;
        }

        private Entry busyWith(String what) {
            return new Entry(timeline, receiver, broken, what);
        }
    }

    /** What may be reserved. */
    interface Condition {
        /** Throws if the name is not to be had; {@code entry} is null if there is nothing. */
        void check(@Nullable Entry entry);
    }

    private final Monitor changing;

    /** Tenants all of whose names are kept, those too that there are none of. */
    private final TreeSet<TenantId> kept = new TreeSet<>();

    private volatile SnapshotMap<Name, Entry> entries = SnapshotMap.empty();

    TimelineTable(Monitor changing) {
        this.changing = changing;
    }

    @Nullable Entry get(Name name) {
        return entries.get(name);
    }

    /** Of one moment, by name. */
    void forEach(BiConsumer<Name, Entry> action) {
        entries.forEach(action);
    }

    /**
     * Keeps a name for the caller, who must {@link #put} or {@link #remove} it. What was there is
     * still found by others, if it was a timeline.
     *
     * @return what was there, or null
     * @throws PageserverException CONFLICT if somebody else has it, or what the condition throws
     */
    @Nullable Entry reserve(Name name, String what, Condition condition) {
        changing.lock();
        try {
            if (kept.contains(name.tenant)) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "what this server is to tenant %s is being changed",
                        name.tenant);
            }
            Entry before = entries.get(name);
            checkFree(name, before);
            condition.check(before);
            entries =
                    entries.with(
                            name,
                            before == null
                                    ? new Entry(null, null, null, what)
                                    : before.busyWith(what));
            return before;
        } finally {
            changing.unlock();
        }
    }

    /** CONFLICT if there is something else than an import that did not finish. */
    static void requireUnfinished(Name name, @Nullable Entry entry) {
        if (entry != null && !entry.unfinished()) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT, "timeline %s exists already", name.timeline());
        }
    }

    private static void checkFree(Name name, @Nullable Entry before) {
        if (before != null && before.busy != null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "timeline %s of tenant %s is being %s",
                    name.timeline,
                    name.tenant,
                    before.busy);
        }
    }

    /**
     * Keeps all names of a tenant for the caller, who must {@link #putBackAll}: nothing is made
     * meanwhile.
     *
     * @return what there is, to be changed by the caller
     * @throws PageserverException CONFLICT if somebody else has one of them
     */
    Map<Name, Entry> reserveAll(TenantId tenant, String what) {
        changing.lock();
        try {
            TreeMap<Name, Entry> all = new TreeMap<>();
            entries.forEach((name, entry) -> {
                if (name.tenant.equals(tenant)) {
                    checkFree(name, entry);
                    all.put(name, entry);
                }
            });
            all.forEach((name, entry) -> entries = entries.with(name, entry.busyWith(what)));
            kept.add(tenant);
            return all;
        } finally {
            changing.unlock();
        }
    }

    /** These are a tenant's timelines from now on, and no others; its names are free. */
    void putBackAll(TenantId tenant, Map<Name, Entry> all) {
        changing.lock();
        try {
            replaceAll(tenant, all);
            kept.remove(tenant);
        } finally {
            changing.unlock();
        }
    }

    /** With the monitor held. */
    private void replaceAll(TenantId tenant, Map<Name, Entry> all) {
        SnapshotMap<Name, Entry> next = entries;
        List<Name> before = new ArrayList<>();
        next.forEach((name, entry) -> {
            if (name.tenant.equals(tenant)) {
                before.add(name);
            }
        });
        for (Name name : before) {
            next = next.without(name);
        }
        for (Map.Entry<Name, Entry> one : all.entrySet()) {
            next = next.with(one.getKey(), one.getValue());
        }
        entries = next;
    }

    /** There are no timelines of a tenant, and none are made before {@link #free}. */
    void empty(TenantId tenant) {
        changing.lock();
        try {
            replaceAll(tenant, new TreeMap<>());
            kept.add(tenant);
        } finally {
            changing.unlock();
        }
    }

    /** Names of a tenant that has none may be had again. */
    void free(TenantId tenant) {
        changing.lock();
        try {
            kept.remove(tenant);
        } finally {
            changing.unlock();
        }
    }

    /** Puts what was made under a name, and gives it free. */
    void put(Name name, Entry entry) {
        changing.lock();
        try {
            entries = entries.with(name, entry);
        } finally {
            changing.unlock();
        }
    }

    /** What was there, or nothing; the name is free. */
    void putBack(Name name, @Nullable Entry before) {
        if (before == null) {
            remove(name);
        } else {
            put(name, before);
        }
    }

    void remove(Name name) {
        changing.lock();
        try {
            entries = entries.without(name);
        } finally {
            changing.unlock();
        }
    }
}
