package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Tasks;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.sim.fault.Damage;
import io.palimpsest.sim.fault.SimObjectStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Damages what is in the store, all the while, and puts it right after some time. Manifests and
 * indexes are damaged as often as layers are, though there are fewer, and the newest of them more
 * often than those that nobody reads any more.
 *
 * <p>A manifest vanishes only while there is a newer one that is complete, and no other server at
 * work: that a generation was claimed is what fences its predecessor, and nothing else says so; and
 * until a claim is complete nothing else says what the tenant has.
 */
final class StoreVandal {
    private static final List<Damage> KINDS = List.of(Damage.values());

    /** How an error must say what was expected, and what is there instead. */
    private static final Pattern TOLD =
            Pattern.compile("(?s).*expected .* found .*|.*found .* expected .*|.*no such .*");

    private static final long MILLIS = 1_000_000L;

    private final SimObjectStore store;
    private final Prng random;
    private final long pauseNanos;
    private final boolean manifestsVanish;

    /** All that was ever damaged: what a server has read may be put right before it says so. */
    private final TreeSet<String> ever = new TreeSet<>();

    private boolean stopped;
    private boolean tookManifest;

    StoreVandal(SimObjectStore store, Prng random, boolean manifestsVanish) {
        this.store = store;
        this.random = random;
        this.pauseNanos = 50 * MILLIS << random.nextInt(7);
        this.manifestsVanish = manifestsVanish;
    }

    void run(Tasks tasks) {
        while (!stopped) {
            tasks.sleep(1 + random.nextLong(2 * pauseNanos));
            if (stopped) {
                return;
            }
            if (random.nextInt(8) == 0) {
                putRight();
            } else {
                damage();
            }
        }
    }

    private void damage() {
        Damage kind = KINDS.get(random.nextInt(KINDS.size()));
        String key = pick(kind);
        if (key != null) {
            store.damage(key, kind);
            ever.add(key);
            tookManifest |=
                    kind == Damage.VANISHED && RemoteKey.of(key) instanceof RemoteKey.Manifest;
        }
    }

    private @Nullable String pick(Damage kind) {
        List<RemoteKey> sound = new ArrayList<>();
        store.keys().forEach(key -> sound.add(RemoteKey.of(key)));
        List<String> damaged = store.damaged();
        sound.removeIf(key -> damaged.contains(key.key()));
        return switch (random.nextInt(3)) {
            case 0 -> manifest(sound, kind);
            case 1 -> index(sound);
            default ->
                    any(
                            sound.stream()
                                    .filter(key -> key instanceof RemoteKey.Layer)
                                    .map(RemoteKey::key)
                                    .toList());
        };
    }

    private @Nullable String manifest(List<RemoteKey> sound, Damage kind) {
        List<String> found = new ArrayList<>();
        for (RemoteKey key : sound) {
            if (key instanceof RemoteKey.Manifest) {
                found.add(key.key());
            }
        }
        if (kind == Damage.VANISHED) {
            String newest = newestComplete();
            found.removeIf(key -> key.compareTo(newest) >= 0);
            return manifestsVanish ? any(found) : null;
        }
        return newestOrAny(found);
    }

    /** What the tenant has is said by this one; empty if it is damaged, or there is none. */
    private String newestComplete() {
        List<String> damaged = store.damaged();
        String newest = "";
        for (String key : store.keys()) {
            if (RemoteKey.of(key) instanceof RemoteKey.Manifest
                    && !damaged.contains(key)
                    && TenantManifest.decode(store.content(key), key).complete()) {
                newest = key;
            }
        }
        return newest;
    }

    /** Of any timeline. */
    private @Nullable String index(List<RemoteKey> sound) {
        TreeMap<String, List<String>> byTimeline = new TreeMap<>();
        for (RemoteKey key : sound) {
            if (key instanceof RemoteKey.Index index) {
                byTimeline
                        .computeIfAbsent(index.timeline().toString(), _ -> new ArrayList<>())
                        .add(key.key());
            }
        }
        String timeline = any(List.copyOf(byTimeline.keySet()));
        return timeline == null
                ? null
                : newestOrAny(Objects.requireNonNull(byTimeline.get(timeline)));
    }

    private @Nullable String newestOrAny(List<String> inOrder) {
        return !inOrder.isEmpty() && random.nextBoolean() ? inOrder.getLast() : any(inOrder);
    }

    private @Nullable String any(List<String> of) {
        return of.isEmpty() ? null : of.get(random.nextInt(of.size()));
    }

    private void putRight() {
        store.damaged().forEach(store::repair);
    }

    /** From now on nothing is damaged, and nothing is excused. */
    void stop() {
        stopped = true;
        putRight();
        ever.clear();
        tookManifest = false;
    }

    /**
     * May a server be fenced though no other one is at work? It takes a claim of its own that
     * vanished for one that nobody has made, if a list that lags hides the claims after it.
     */
    boolean fences() {
        return tookManifest;
    }

    /**
     * Is damage to blame? Then the error must name an object that was damaged, what was expected,
     * and what was found.
     */
    boolean excuses(String error) {
        if (ever.stream().noneMatch(error::contains)) {
            return false;
        }
        Check.that(TOLD.matcher(error).matches(), "what is wrong with it? %s", error);
        return true;
    }
}
