package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectVersions;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * An object store that promises what {@link ObjectStore} does and no more. It stands outside of all
 * nodes: none of them takes it along when it loses its power, and what one of them asked for may be
 * done when that one is long gone.
 *
 * <p>Whatever is done is done in one moment, which is somewhere in the time that the request takes.
 * A request whose answer is lost was done, was not, or is done later; its condition is looked at
 * then. Bits that rot stay so, under an overlay that can be switched off to see what was put.
 *
 * <p>It verifies what a real one's adapter verifies: the checksum of what is put and of what is got
 * whole. What nobody can see here is an answer that is wholly another object's, with its checksum:
 * by plan it comes, and the caller must see that the {@link Stored} is not the one it wanted.
 */
public final class SimObjectStore implements ObjectStore, ObjectVersions {
    private static final class StoredObject {
        final byte[] bytes;
        final int crc32c;
        final long version;
        final long modifiedMillis;

        /** Bits that come out flipped, by position. */
        final TreeMap<Integer, Integer> rot = new TreeMap<>();

        StoredObject(byte[] bytes, int crc32c, long version, long modifiedMillis) {
            this.bytes = bytes;
            this.crc32c = crc32c;
            this.version = version;
            this.modifiedMillis = modifiedMillis;
        }

        Stored stored() {
            return new Stored(bytes.length, crc32c, Long.toString(version), modifiedMillis);
        }
    }

    /**
     * An object that is not what was put.
     *
     * @param now what it is; null if it is gone
     */
    private record Damaged(Damage kind, StoredObject truth, @Nullable StoredObject now) {}

    /** What was there before a change, for lists of a while ago. */
    private record Change(long time, String key, @Nullable StoredObject before) {}

    /** A put, or a deletion. */
    private record Kept(Version version, @Nullable StoredObject object) {}

    /** It is no node. */
    private static final String WHERE = "store";

    private final Simulation simulation;
    private final Prng random;
    private StoreFaults faults;
    private boolean rotShows = true;
    private long outageEnds = Long.MIN_VALUE;
    private long versions;
    private final TreeMap<String, StoredObject> objects = new TreeMap<>();
    private final ArrayDeque<Change> changes = new ArrayDeque<>();
    private final TreeMap<String, Damaged> damaged = new TreeMap<>();

    /** By key the newest first; null if the store keeps no versions. */
    private @Nullable TreeMap<String, ArrayDeque<Kept>> kept;

    public SimObjectStore(Simulation simulation, StoreFaults faults) {
        this.simulation = simulation;
        this.faults = faults;
        this.random = simulation.random("object store");
    }

    /** From now on. */
    public void faults(StoreFaults now) {
        faults = now;
    }

    /** From now on what is replaced or deleted can be found again. */
    public void keepVersions() {
        kept = new TreeMap<>();
    }

    public boolean away() {
        return simulation.now() < outageEnds;
    }

    /** For that long from now nobody gets an answer. */
    public void outage(long nanos) {
        if (nanos == 0 || simulation.strikes(WHERE, "away for " + nanos / 1_000_000_000L + " s")) {
            outageEnds = simulation.deadline(nanos);
        }
    }

    /** Whether gets see the bits that rotted. */
    public void showRot(boolean shows) {
        rotShows = shows;
    }

    /** Flips a bit of an object, for good. */
    public void rot(String key, int position, int bit) {
        StoredObject object = find(key);
        object.rot.merge(position, 1 << bit, (a, b) -> a ^ b);
    }

    /**
     * Damages an object that is not damaged yet, until it is put again, deleted, or {@link
     * #repair}ed.
     */
    public void damage(String key, Damage kind) {
        Check.that(!damaged.containsKey(key), "%s is damaged already", key);
        if (!simulation.strikes(WHERE, kind.name().toLowerCase(Locale.ROOT) + ": " + key)) {
            return;
        }
        StoredObject truth = find(key);
        StoredObject now = damaged(key, truth, kind);
        if (now == null) {
            objects.remove(key);
        } else {
            objects.put(key, now);
        }
        damaged.put(key, new Damaged(kind, truth, now));
        simulation.trace().note(key);
    }

    private @Nullable StoredObject damaged(String key, StoredObject truth, Damage kind) {
        if (kind == Damage.VANISHED) {
            return null;
        }
        byte[] bytes = truth.bytes;
        if (kind == Damage.SWAPPED) {
            bytes = another(key, truth).bytes;
        } else if (kind == Damage.TRUNCATED) {
            bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
        }
        if (Arrays.equals(bytes, truth.bytes)) {
            bytes = bytes.clone();
            int at = random.nextInt(bytes.length);
            for (int end = Math.min(at + 1 + random.nextInt(3), bytes.length); at < end; at++) {
                bytes[at] ^= (byte) (1 << random.nextInt(8));
            }
        }
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        // Whoever writes it over leaves another version, a rotten medium does not.
        boolean written = kind != Damage.ROTTEN && random.nextBoolean();
        return new StoredObject(
                bytes,
                kind == Damage.ROTTEN ? truth.crc32c : (int) crc.getValue(),
                written ? ++versions : truth.version,
                truth.modifiedMillis);
    }

    /** The keys of what is damaged. */
    public List<String> damaged() {
        return new ArrayList<>(damaged.keySet());
    }

    /** Puts the true object back, if it is still damaged. */
    public void repair(String key) {
        Damaged was = damaged.remove(key);
        if (was != null) {
            objects.put(key, was.truth);
            simulation.trace().note(key);
        }
    }

    /** Somebody is told what is not what was put. */
    private void meet(String key) {
        Damaged met = damaged.get(key);
        if (met != null) {
            String what = RemoteKey.of(key).getClass().getSimpleName().toLowerCase(Locale.ROOT);
            simulation.probe("met-" + met.kind.name().toLowerCase(Locale.ROOT) + "-" + what);
        }
    }

    /** What was there before all began. */
    public void fill(String key, byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        set(key, new StoredObject(bytes, (int) crc.getValue(), ++versions, wallMillis()));
    }

    /** What is really there. */
    public byte[] content(String key) {
        return find(key).bytes.clone();
    }

    /** The keys of all that is really there. */
    public List<String> keys() {
        return new ArrayList<>(objects.keySet());
    }

    @Override
    public String put(String key, Content content, Condition condition) {
        ObjectStore.requireKey(key);
        byte[] bytes = new byte[Math.toIntExact(content.length())];
        CRC32C crc = new CRC32C();
        for (int at = 0; at < bytes.length; ) {
            int n = Math.min(1 + random.nextInt(1 << 16), bytes.length - at);
            content.read(at, bytes, at, n);
            crc.update(bytes, at, n);
            at += n;
        }
        if ((int) crc.getValue() != content.crc32c()) {
            throw failed(
                    ErrorCode.CORRUPTION,
                    "put",
                    key,
                    String.format(
                            Locale.ROOT,
                            "expected checksum %08x, found %08x",
                            content.crc32c(),
                            (int) crc.getValue()));
        }
        StoredObject put = new StoredObject(bytes, content.crc32c(), ++versions, wallMillis());
        change(
                "put",
                key,
                () -> {
                    if (!holds(condition, key)) {
                        throw failed(ErrorCode.CONFLICT, "put", key, "not " + condition);
                    }
                    set(key, put);
                });
        return Long.toString(put.version);
    }

    private boolean holds(Condition condition, String key) {
        StoredObject there = objects.get(key);
        return switch (condition) {
            case Condition.Always _ -> true;
            case Condition.Absent _ -> there == null;
            case Condition.Version v ->
                    there != null && Long.toString(there.version).equals(v.version());
        };
    }

    @Override
    public Stored get(String key, Sink sink) {
        ObjectStore.requireKey(key);
        begin("get", key);
        meet(key);
        return answer(key, find(key), sink);
    }

    private Stored answer(String key, StoredObject found, Sink sink) {
        StoredObject object = found;
        maybeRot(key, object);
        StoredObject body = object;
        if (strikes(faults.swapped(), "another object comes: ", key)) {
            body = another(key, object);
            object = random.nextBoolean() ? object : body;
        }
        byte[] bytes = shown(body);
        int end =
                strikes(faults.truncated(), "answer cut short: ", key) && bytes.length > 0
                        ? random.nextInt(bytes.length)
                        : bytes.length;
        CRC32C crc = new CRC32C();
        for (int at = 0; at < end; ) {
            int n = Math.min(1 + random.nextInt(1 << 16), end - at);
            sink.accept(bytes, at, n);
            crc.update(bytes, at, n);
            at += n;
            busy(key);
        }
        if (end < bytes.length) {
            throw failed(
                    ErrorCode.UNAVAILABLE,
                    "get",
                    key,
                    String.format(
                            Locale.ROOT,
                            "the answer broke off after %d of %d bytes",
                            end,
                            bytes.length));
        }
        if (bytes.length != object.bytes.length || (int) crc.getValue() != object.crc32c) {
            throw failed(
                    ErrorCode.CORRUPTION,
                    "get",
                    key,
                    String.format(
                            Locale.ROOT,
                            "expected %d bytes with checksum %08x, found %d with %08x",
                            object.bytes.length,
                            object.crc32c,
                            bytes.length,
                            (int) crc.getValue()));
        }
        return object.stored();
    }

    @Override
    public void get(String key, long position, byte[] into, int offset, int length) {
        ObjectStore.requireKey(key);
        Check.that(position >= 0 && length >= 0, "range %d, %d", position, length);
        begin("get", key);
        meet(key);
        StoredObject object = find(key);
        maybeRot(key, object);
        if (strikes(faults.swapped(), "another object comes: ", key)) {
            object = another(key, object);
        }
        if (position + length > object.bytes.length) {
            throw failed(
                    ErrorCode.CORRUPTION,
                    "get",
                    key,
                    String.format(
                            Locale.ROOT,
                            "expected %d bytes at %d, found %d in all",
                            length,
                            position,
                            object.bytes.length));
        }
        if (strikes(faults.truncated(), "answer cut short: ", key)) {
            throw failed(ErrorCode.UNAVAILABLE, "get", key, "the answer broke off");
        }
        System.arraycopy(shown(object), (int) position, into, offset, length);
    }

    @Override
    public Stored head(String key) {
        ObjectStore.requireKey(key);
        begin("head", key);
        return find(key).stored();
    }

    @Override
    public Listing list(String prefix, boolean recursive, int limit, @Nullable String page) {
        ObjectStore.requirePrefix(prefix);
        Check.that(limit > 0, "limit %d", limit);
        begin("list", prefix);
        NavigableMap<String, StoredObject> seen = objects;
        if (strikes(faults.staleLists(), "late list: ", prefix)) {
            seen = asOf(simulation.now() - random.nextLong(faults.staleNanos() + 1));
        }
        // A page may be shorter than it could be.
        int most = random.oneIn(4) ? 1 + random.nextInt(limit) : limit;
        List<Entry> found = new ArrayList<>();
        TreeSet<String> directories = new TreeSet<>();
        String last = page == null ? "" : page;
        for (var e : seen.tailMap(prefix, true).entrySet()) {
            String key = e.getKey();
            if (!key.startsWith(prefix)) {
                break;
            }
            int slash = recursive ? -1 : key.indexOf('/', prefix.length());
            String name = slash < 0 ? key : key.substring(0, slash + 1);
            if (name.compareTo(last) <= 0 || directories.contains(name)) {
                continue;
            }
            if (found.size() + directories.size() == most) {
                return new Listing(found, new ArrayList<>(directories), 0, last);
            }
            last = name;
            if (slash < 0) {
                found.add(new Entry(key, e.getValue().bytes.length, e.getValue().modifiedMillis));
            } else {
                directories.add(name);
            }
        }
        return new Listing(found, new ArrayList<>(directories), 0, null);
    }

    @Override
    public void delete(List<String> keys) {
        keys.forEach(ObjectStore::requireKey);
        for (String key : keys) {
            change("delete", key, () -> set(key, null));
        }
    }

    @Override
    public void copy(String from, String to) {
        ObjectStore.requireKey(from);
        ObjectStore.requireKey(to);
        change("copy " + from + " to", to, () -> copy(find(from), to));
    }

    @Override
    public Page versions(String prefix, @Nullable String page) {
        ObjectStore.requirePrefix(prefix);
        begin("versions", prefix);
        List<Version> found = new ArrayList<>();
        String key = page == null ? prefix : page;
        for (var e : requireKept().tailMap(key, true).entrySet()) {
            if (!e.getKey().startsWith(prefix)) {
                break;
            }
            if (!found.isEmpty() && random.oneIn(8)) {
                return new Page(found, e.getKey());
            }
            e.getValue().forEach(k -> found.add(k.version));
        }
        return new Page(found, null);
    }

    private NavigableMap<String, ArrayDeque<Kept>> requireKept() {
        if (kept == null) {
            throw failed(ErrorCode.UNSUPPORTED, "versions", "", "none are kept");
        }
        return kept;
    }

    private StoredObject find(String key, String id) {
        ArrayDeque<Kept> all = requireKept().get(key);
        if (all != null) {
            for (Kept k : all) {
                if (k.version.id().equals(id) && k.object != null) {
                    return k.object;
                }
            }
        }
        throw failed(ErrorCode.NOT_FOUND, "get version " + id + " of", key, "no such version");
    }

    @Override
    public Stored get(String key, String id, Sink sink) {
        begin("get version", key);
        return answer(key, find(key, id), sink);
    }

    @Override
    public void copy(String key, String id, String to) {
        ObjectStore.requireKey(to);
        change("copy " + key + " to", to, () -> copy(find(key, id), to));
    }

    private void copy(StoredObject source, String to) {
        StoredObject copy = new StoredObject(source.bytes, source.crc32c, ++versions, wallMillis());
        copy.rot.putAll(source.rot);
        set(to, copy);
    }

    /** Does something, before or after most of the time it takes; or by plan something else. */
    private void change(String verb, String key, Runnable action) {
        begin(verb, key);
        if (strikes(faults.lostReplies(), "answer lost: ", verb + " " + key)) {
            switch (random.nextInt(3)) {
                case 0 -> {}
                case 1 -> unseen(action);
                default -> {
                    String late = "store-late-" + verb.split(" ", -1)[0];
                    simulation.probe(late);
                    String owner = newestManifest();
                    simulation.after(
                            random.nextLong(faults.lateNanos() + 1),
                            () -> {
                                if (isLost(key)) {
                                    return;
                                }
                                if (!owner.equals(newestManifest())) {
                                    simulation.probe(late + "-after-take-over");
                                }
                                unseen(action);
                            });
                }
            }
            busy(key);
            throw failed(ErrorCode.UNAVAILABLE, verb, key, "no answer in time");
        }
        if (random.nextBoolean()) {
            busy(key);
            action.run();
        } else {
            action.run();
            busy(key);
        }
    }

    /**
     * That a store has lost an object, and then creates it as it was asked to minutes ago, is two
     * faults at once, and an older object of ours is what nobody can tell from the newest: such a
     * late request is not done.
     */
    private boolean isLost(String key) {
        Damaged was = damaged.get(key);
        return was != null && was.kind == Damage.VANISHED;
    }

    /** Its name says who owns the tenant, of those that there are; empty if there is none. */
    private String newestManifest() {
        String newest = "";
        for (String key : objects.keySet()) {
            if (RemoteKey.of(key) instanceof RemoteKey.Manifest) {
                newest = key;
            }
        }
        return newest;
    }

    /** What comes of it is told to nobody. */
    private static void unseen(Runnable action) {
        try {
            action.run();
        } catch (PageserverException e) {
            // a condition that did not hold: the answer is lost like any other
        }
    }

    private void set(String key, @Nullable StoredObject object) {
        simulation.trace().note(key);
        if (object != null) {
            requireRoom(key);
        }
        damaged.remove(key);
        StoredObject before = object == null ? objects.remove(key) : objects.put(key, object);
        if (kept != null && (object != null || before != null)) {
            Version version =
                    new Version(
                            key,
                            Long.toString(++versions),
                            object == null ? 0 : object.bytes.length,
                            wallMillis(),
                            object == null);
            kept.computeIfAbsent(key, _ -> new ArrayDeque<>()).addFirst(new Kept(version, object));
        }
        changes.addLast(new Change(simulation.now(), key, before));
        while (changes.getFirst().time < simulation.now() - faults.staleNanos()) {
            changes.removeFirst();
        }
    }

    /** As directories have it: nothing below an object, no object where something is below. */
    private void requireRoom(String key) {
        String below = objects.ceilingKey(key + "/");
        Check.that(below == null || !below.startsWith(key + "/"), "%s has objects below it", key);
        for (int slash = key.indexOf('/'); slash > 0; slash = key.indexOf('/', slash + 1)) {
            Check.that(!objects.containsKey(key.substring(0, slash)), "%s is below an object", key);
        }
    }

    private NavigableMap<String, StoredObject> asOf(long time) {
        TreeMap<String, StoredObject> then = new TreeMap<>(objects);
        var newest = changes.descendingIterator();
        while (newest.hasNext()) {
            Change c = newest.next();
            if (c.time <= time) {
                break;
            }
            if (c.before == null) {
                then.remove(c.key);
            } else {
                then.put(c.key, c.before);
            }
        }
        return then;
    }

    private StoredObject find(String key) {
        StoredObject object = objects.get(key);
        if (object == null) {
            throw failed(ErrorCode.NOT_FOUND, "get", key, "no such object");
        }
        return object;
    }

    private StoredObject another(String key, StoredObject otherwise) {
        List<String> keys = keys();
        keys.remove(key);
        return keys.isEmpty() ? otherwise : find(keys.get(random.nextInt(keys.size())));
    }

    private void maybeRot(String key, StoredObject object) {
        if (object.bytes.length > 0 && strikes(faults.bitRot(), "bit rots: ", key)) {
            object.rot.merge(
                    random.nextInt(object.bytes.length), 1 << random.nextInt(8), (a, b) -> a | b);
        }
    }

    private byte[] shown(StoredObject object) {
        if (!rotShows || object.rot.isEmpty()) {
            return object.bytes;
        }
        byte[] bytes = object.bytes.clone();
        object.rot.forEach((at, mask) -> bytes[at] ^= (byte) (int) mask);
        return bytes;
    }

    private void begin(String verb, String key) {
        simulation.trace().note(verb);
        simulation.trace().note(key);
        busy(key);
        if (away()) {
            throw failed(ErrorCode.UNAVAILABLE, verb, key, "no answer in time");
        }
        if (strikes(faults.throttles(), "throttled: ", verb + " " + key)) {
            throw failed(ErrorCode.THROTTLED, verb, key, "slow down");
        }
        if (strikes(faults.unavailable(), "refused: ", verb + " " + key)) {
            throw failed(ErrorCode.UNAVAILABLE, verb, key, "connection refused");
        }
    }

    private boolean strikes(int oneIn, String what, String whose) {
        return FaultPlan.strikes(oneIn, random) && simulation.strikes(WHERE, what + whose);
    }

    private void busy(String key) {
        long nanos = faults.nanos() == 0 ? 0 : random.nextLong(faults.nanos()) + 1;
        boolean slow = strikes(faults.slow(), "slow: ", key);
        simulation.busy(key, slow ? nanos * 100 : nanos);
    }

    private long wallMillis() {
        return Simulation.EPOCH_MILLIS + simulation.now() / 1_000_000;
    }

    private PageserverException failed(ErrorCode code, String verb, String key, String why) {
        simulation.probe("store-" + code.name().toLowerCase(Locale.ROOT));
        return PageserverException.of(code, "%s %s: %s", verb, key, why);
    }
}
