package io.palimpsest.server.store;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Listing;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.port.ObjectVersions;
import io.palimpsest.server.store.LeftOvers.LeftOver;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Does with a store each thing that a page server will, on objects of its own that it deletes
 * again, and tells which it may and can not.
 */
public final class StoreProbe {
    /** Everything it puts is below this. */
    private static final String DIRECTORY = "palimpsest-store-check/";

    /**
     * One thing that was tried.
     *
     * @param needed by a page server; else only by commands of the command line
     * @param problem null: it went well
     * @param code what kind of problem
     */
    public record Step(
            String what, boolean needed, @Nullable ErrorCode code, @Nullable String problem) {
        public boolean good() {
            return problem == null;
        }
    }

    private interface Action {
        /** Returns what is wrong, null if nothing is; or throws. */
        @Nullable String run();
    }

    private static final Duration LONG_AGO = Duration.ofDays(7);

    private final ObjectStore store;
    private final ObjectVersions versions;
    private final LeftOvers leftOvers;
    private final List<Step> steps = new ArrayList<>();
    private final String key;
    private final byte[] first;
    private final byte[] second;

    private StoreProbe(
            ObjectStore store,
            ObjectVersions versions,
            LeftOvers leftOvers,
            RandomGenerator random) {
        this.store = store;
        this.versions = versions;
        this.leftOvers = leftOvers;
        key = DIRECTORY + "%016x".formatted(random.nextLong());
        first = new byte[1000];
        second = new byte[500];
        random.nextBytes(first);
        random.nextBytes(second);
    }

    /** Tries everything, also after something has failed. */
    public static List<Step> run(
            ObjectStore store,
            ObjectVersions versions,
            LeftOvers leftOvers,
            RandomGenerator random) {
        StoreProbe probe = new StoreProbe(store, versions, leftOvers, random);
        probe.all();
        return probe.steps;
    }

    private void all() {
        String copy = key + "-copy";
        step(
                "list",
                () -> {
                    store.list("", false, 1, null);
                    return null;
                });
        boolean put =
                step(
                        "put",
                        () -> {
                            store.put(key, Content.of(first), Condition.ALWAYS);
                            return null;
                        });
        if (!put) {
            // An object that may not be put may still have been: nothing is left either way.
            step("delete", () -> delete(copy));
            return;
        }
        step(
                "get",
                () -> {
                    ByteArrayOutputStream got = new ByteArrayOutputStream();
                    store.get(key, got::write);
                    return same(first, got.toByteArray());
                });
        step(
                "get a part",
                () -> {
                    byte[] part = new byte[100];
                    store.get(key, 500, part, 0, 100);
                    return same(Arrays.copyOfRange(first, 500, 600), part);
                });
        step(
                "head",
                () -> {
                    Stored stored = store.head(key);
                    return stored.length() == first.length
                            ? null
                            : "expected %d bytes, found %d"
                                    .formatted(first.length, stored.length());
                });
        step(
                "list what was put",
                () -> {
                    Listing listing = store.list(key, true, 10, null);
                    return listing.objects().stream().anyMatch(o -> o.key().equals(key))
                            ? null
                            : "the list is late, or does not have what was put";
                });
        step("put only if absent", () -> refused(Condition.ABSENT));
        step("put only over a version", this::overVersions);
        step(
                "copy",
                () -> {
                    store.copy(key, copy);
                    return null;
                });
        extra("list versions", this::keptVersions);
        step("delete", () -> delete(copy));
        extra("list unfinished puts", this::unfinishedPuts);
    }

    /** There are two by now, if the store keeps any. For {@code store restore}. */
    private @Nullable String keptVersions() {
        long kept =
                versions.versions(key, null).versions().stream()
                        .filter(v -> v.key().equals(key) && !v.deletion())
                        .count();
        return kept > 1
                ? null
                : "the store keeps no versions: an earlier state cannot be restored; switch versioning on if it is to be";
    }

    /** For {@code store scrub}, which deletes what they have left. */
    private @Nullable String unfinishedPuts() {
        List<LeftOver> _ = leftOvers.leftOvers(LONG_AGO);
        return null;
    }

    /** A put whose condition does not hold must not happen. */
    private @Nullable String refused(Condition condition) {
        try {
            store.put(key, Content.of(second), condition);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.CONFLICT) {
                return null;
            }
            throw e;
        }
        return "the store ignores the condition and replaces what is there";
    }

    private @Nullable String overVersions() {
        String version = store.put(key, Content.of(first), Condition.ALWAYS);
        store.put(key, Content.of(second), new Condition.Version(version));
        return refused(new Condition.Version(version));
    }

    private @Nullable String delete(String copy) {
        store.delete(List.of(key, copy));
        try {
            store.head(key);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND) {
                return null;
            }
            throw e;
        }
        return "what was deleted is still there";
    }

    private static @Nullable String same(byte[] expected, byte[] found) {
        return Arrays.equals(expected, found) ? null : "what came is not what was put";
    }

    private boolean step(String what, Action action) {
        return step(what, true, action);
    }

    private void extra(String what, Action action) {
        boolean _ = step(what, false, action);
    }

    private boolean step(String what, boolean needed, Action action) {
        Step step;
        try {
            String problem = action.run();
            step = new Step(what, needed, problem == null ? null : ErrorCode.UNSUPPORTED, problem);
        } catch (PageserverException e) {
            step = new Step(what, needed, e.code(), String.valueOf(e.getMessage()));
        }
        steps.add(step);
        return step.good();
    }
}
