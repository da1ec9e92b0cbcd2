package io.palimpsest.server.store;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Listing;
import io.palimpsest.port.ObjectStore.Stored;
import java.io.ByteArrayOutputStream;
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
     * @param problem null: it went well
     * @param code what kind of problem
     */
    public record Step(String what, @Nullable ErrorCode code, @Nullable String problem) {
        public boolean good() {
            return problem == null;
        }
    }

    private interface Action {
        /** Returns what is wrong, null if nothing is; or throws. */
        @Nullable String run();
    }

    private final ObjectStore store;
    private final List<Step> steps = new ArrayList<>();
    private final String key;
    private final byte[] first;
    private final byte[] second;

    private StoreProbe(ObjectStore store, RandomGenerator random) {
        this.store = store;
        key = DIRECTORY + "%016x".formatted(random.nextLong());
        first = new byte[1000];
        second = new byte[500];
        random.nextBytes(first);
        random.nextBytes(second);
    }

    /** Tries everything, also after something has failed. */
    public static List<Step> run(ObjectStore store, RandomGenerator random) {
        StoreProbe probe = new StoreProbe(store, random);
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
        step("put only over a version", this::versions);
        step(
                "copy",
                () -> {
                    store.copy(key, copy);
                    return null;
                });
        step("delete", () -> delete(copy));
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

    private @Nullable String versions() {
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
        Step step;
        try {
            String problem = action.run();
            step = new Step(what, problem == null ? null : ErrorCode.UNSUPPORTED, problem);
        } catch (PageserverException e) {
            step = new Step(what, e.code(), String.valueOf(e.getMessage()));
        }
        steps.add(step);
        return step.good();
    }
}
