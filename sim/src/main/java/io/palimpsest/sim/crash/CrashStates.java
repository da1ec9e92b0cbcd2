package io.palimpsest.sim.crash;

import io.palimpsest.base.Prng;
import io.palimpsest.sim.crash.JournalDisk.File;
import io.palimpsest.sim.crash.JournalDisk.Operation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The states that a power loss can leave behind after a prefix of a journal.
 *
 * <p>What was synced is there. Of the rest, that is names (created, renamed, deleted, and the
 * directory not synced since) and pieces of files (appended, and the file not synced since),
 * anything may have come through: every subset if there are at most {@value #EXHAUSTIVE} of them,
 * else all, none, each alone, each missing, and some by chance. A piece that is missing before one
 * that is there reads as zeros. Besides, un-synced files are torn: some sectors zero or garbage,
 * and cut anywhere.
 */
final class CrashStates {
    static final int EXHAUSTIVE = 8;
    private static final int SAMPLES = 32;
    private static final int TEARS = 6;

    /** Takes one state. */
    interface Visitor {
        /** Returns false to end the enumeration. */
        boolean visit(DiskState state);
    }

    /**
     * What was done to a name and is not durable.
     *
     * @param from the name before a rename, else empty
     * @param file null if it was deleted
     * @param directory it is a directory that was deleted
     */
    private record Change(String path, String from, @Nullable Durable file, boolean directory) {}

    /** What is durable of a file, and the pieces that are not. */
    private static final class Durable {
        DiskState.Content synced;
        final List<byte[]> pieces = new ArrayList<>();

        Durable(DiskState.Content synced) {
            this.synced = synced;
        }
    }

    private final TreeMap<String, Durable> names = new TreeMap<>();
    private final TreeSet<String> directories;
    private final List<Change> changes = new ArrayList<>();

    /** By the file a process writes. */
    private final Map<File, Durable> files = new HashMap<>();

    /** As a process sees it: whom a rename moves. */
    private final TreeMap<String, Durable> seen = new TreeMap<>();

    private final Prng random;

    CrashStates(DiskState start, long seed) {
        start.files().forEach((path, content) -> names.put(path, new Durable(content)));
        seen.putAll(names);
        directories = new TreeSet<>(start.directories());
        random = new Prng(seed);
    }

    /** The next operation has been done. */
    void advance(Operation operation) {
        switch (operation) {
            case Operation.CreateDirectories o -> {
                makeDurable(JournalDisk.parent(o.path()));
                changes.removeIf(c -> c.directory && c.path.equals(o.path()));
                directories.add(o.path());
            }
            case Operation.Create o -> {
                Durable file = new Durable(new DiskState.Content(new byte[0]));
                files.put(o.file(), file);
                seen.put(o.path(), file);
                changes.add(new Change(o.path(), "", file, false));
            }
            case Operation.Append o -> of(o.file()).pieces.add(o.bytes());
            case Operation.Sync o -> {
                Durable file = of(o.file());
                file.synced = new DiskState.Content(content(file, Long.MAX_VALUE, 0));
                file.pieces.clear();
            }
            case Operation.Rename o -> {
                Durable file = present(o.from());
                seen.remove(o.from());
                seen.put(o.to(), file);
                changes.add(new Change(o.to(), o.from(), file, false));
            }
            case Operation.Link o -> {
                Durable file = present(o.existing());
                seen.put(o.name(), file);
                changes.add(new Change(o.name(), "", file, false));
            }
            case Operation.Delete o -> delete(o.path());
            case Operation.DeleteTree o -> {
                new ArrayList<>(seen.subMap(o.path() + "/", o.path() + "0").keySet())
                        .forEach(this::delete);
                for (String d : directories.descendingSet()) {
                    if (d.equals(o.path()) || d.startsWith(o.path() + "/")) {
                        changes.add(new Change(d, "", null, true));
                    }
                }
            }
            case Operation.SyncDirectory o -> makeDurable(o.path());
        }
    }

    private Durable of(File file) {
        return Objects.requireNonNull(files.get(file), "a file that was created before");
    }

    private Durable present(String path) {
        return Objects.requireNonNull(seen.get(path), path);
    }

    private void delete(String path) {
        seen.remove(path);
        changes.add(new Change(path, "", null, false));
    }

    private void makeDurable(String directory) {
        changes.removeIf(c -> {
            boolean covered = JournalDisk.parent(c.path).equals(directory);
            if (covered) {
                synced(c);
            }
            return covered;
        });
        changes.removeIf(c -> {
            String parent = JournalDisk.parent(c.path);
            return !parent.isEmpty() && !directories.contains(parent);
        });
    }

    private void synced(Change c) {
        if (c.directory) {
            // What was in it is gone with it.
            names.subMap(c.path + "/", c.path + "0").clear();
            directories.subSet(c.path + "/", c.path + "0").clear();
            directories.remove(c.path);
        } else {
            apply(c, names, directories);
        }
    }

    private static void apply(
            Change c, SortedMap<String, Durable> named, SortedSet<String> directories) {
        if (c.directory) {
            if (named.subMap(c.path + "/", c.path + "0").isEmpty()
                    && directories.subSet(c.path + "/", c.path + "0").isEmpty()) {
                directories.remove(c.path);
            }
            return;
        }
        if (!c.from.isEmpty()) {
            named.remove(c.from);
        }
        if (c.file != null) {
            named.put(c.path, c.file);
        } else {
            named.remove(c.path);
        }
    }

    /**
     * Visits the states; many may be equal.
     *
     * @return false if the visitor ended it
     */
    boolean forEach(Visitor visitor) {
        List<Durable> unsynced = unsynced();
        int pieces = unsynced.stream().mapToInt(f -> f.pieces.size()).sum();
        int n = changes.size() + pieces;
        if (n <= EXHAUSTIVE) {
            for (long subset = 0; subset < 1L << n; subset++) {
                if (!visitor.visit(state(subset, unsynced))) {
                    return false;
                }
            }
        } else {
            // Beyond 63 the last ones share a fate.
            int bits = Math.min(n, 63);
            long all = (1L << bits) - 1;
            for (int i = -1; i < bits; i++) {
                long one = i < 0 ? 0 : 1L << i;
                if (!visitor.visit(state(one, unsynced))
                        || !visitor.visit(state(all ^ one, unsynced))) {
                    return false;
                }
            }
            for (int i = 0; i < SAMPLES; i++) {
                if (!visitor.visit(state(random.nextLong() & all, unsynced))) {
                    return false;
                }
            }
        }
        for (int i = 0; i < TEARS && pieces > 0; i++) {
            if (!visitor.visit(torn(unsynced, i))) {
                return false;
            }
        }
        return true;
    }

    /** Files with pieces not synced that some name leads to, or may. */
    private List<Durable> unsynced() {
        List<Durable> found = new ArrayList<>();
        names.values().forEach(f -> add(found, f));
        changes.forEach(c -> add(found, c.file));
        return found;
    }

    private static void add(List<Durable> to, @Nullable Durable file) {
        if (file != null && !file.pieces.isEmpty() && to.stream().noneMatch(f -> f == file)) {
            to.add(file);
        }
    }

    /** Bit i of the subset: change i, then the pieces, file by file. */
    private DiskState state(long subset, List<Durable> unsynced) {
        TreeMap<String, Durable> named = new TreeMap<>(names);
        TreeSet<String> left = new TreeSet<>(directories);
        int bit = 0;
        for (Change c : changes) {
            if ((subset >>> Math.min(bit++, 62) & 1) != 0) {
                apply(c, named, left);
            }
        }
        Map<Durable, DiskState.Content> contents = new HashMap<>();
        for (Durable f : unsynced) {
            contents.put(f, new DiskState.Content(content(f, subset, bit)));
            bit += f.pieces.size();
        }
        return state(named, left, contents);
    }

    private static DiskState state(
            SortedMap<String, Durable> named,
            SortedSet<String> directories,
            Map<Durable, DiskState.Content> contents) {
        TreeMap<String, DiskState.Content> out = new TreeMap<>();
        named.forEach((path, f) -> out.put(path, contents.getOrDefault(f, f.synced)));
        return new DiskState(out, directories);
    }

    /** The synced bytes, and those pieces whose bits, from {@code bit} on, are set. */
    private static byte[] content(Durable file, long subset, int bit) {
        int size = file.synced.bytes.length;
        int end = size;
        for (int i = 0; i < file.pieces.size(); i++) {
            size += file.pieces.get(i).length;
            if ((subset >>> Math.min(bit + i, 62) & 1) != 0) {
                end = size;
            }
        }
        byte[] b = Arrays.copyOf(file.synced.bytes, end);
        int at = file.synced.bytes.length;
        for (int i = 0; i < file.pieces.size() && at < end; i++) {
            byte[] piece = file.pieces.get(i);
            if ((subset >>> Math.min(bit + i, 62) & 1) != 0) {
                System.arraycopy(piece, 0, b, at, piece.length);
            }
            at += piece.length;
        }
        return b;
    }

    /** All names came through, and the un-synced files in part. */
    private DiskState torn(List<Durable> unsynced, int kind) {
        TreeMap<String, Durable> named = new TreeMap<>(names);
        TreeSet<String> left = new TreeSet<>(directories);
        changes.forEach(c -> apply(c, named, left));
        Map<Durable, DiskState.Content> contents = new HashMap<>();
        for (Durable f : unsynced) {
            byte[] b = content(f, -1, 0);
            int from = f.synced.bytes.length;
            if (kind >= 4) {
                b = Arrays.copyOf(b, from + random.nextInt(b.length - from + 1));
            }
            int sector = kind % 2 == 0 ? 512 : 4096;
            for (int at = from; at < b.length; ) {
                int end = Math.min(b.length, (at / sector + 1) * sector);
                if (random.nextBoolean()) {
                    if (kind / 2 == 0) {
                        random.nextBytes(b, at, end - at);
                    } else {
                        Arrays.fill(b, at, end, (byte) 0);
                    }
                }
                at = end;
            }
            contents.put(f, new DiskState.Content(b));
        }
        return state(named, left, contents);
    }

    /** How much is not durable, for messages: the names changed. */
    String pending() {
        StringBuilder out = new StringBuilder();
        changes.forEach(c ->
                out.append(out.isEmpty() ? "" : ", ")
                        .append(c.file == null ? "-" : "+")
                        .append(c.path));
        return out.append("; ").append(unsynced().size()).append(" files not synced").toString();
    }
}
