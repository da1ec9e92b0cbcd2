package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Disk;
import io.palimpsest.sim.world.Device;
import io.palimpsest.sim.world.Node;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A disk that keeps exactly what it promises.
 *
 * <p><b>What is durable and what is pending.</b> The disk knows two states: what a running process
 * sees, and what is durable. Between them stand, for each file, the bytes appended since its last
 * sync, and for the names, the list of creations, renames and deletions whose directory has not
 * been synced since. Directories made by {@link #createDirectories} are durable at once.
 *
 * <p><b>Power loss</b> ends all tasks of the node and makes the durable state, changed by chance,
 * the new one. Of the names' pending operations all, none, or a random subset come through, each
 * independently of the others and in their order (a rename without the creation before it, a
 * deletion without the rename before it). Of a file's un-synced bytes come through: none; all; a
 * prefix of any length; or any mix of sectors (512 or 4096 bytes, by seed), the others zero or
 * garbage, the file's length being that of the last append or less.
 *
 * <p><b>Sync.</b> What is made durable is what was there when it began; power may be lost before it
 * returns. By plan it fails: the bytes not yet durable never will be for sure, even if seen until
 * the power goes. Likewise for a directory. A program that then uses the output again fails a
 * {@link Check}: it may not.
 *
 * <p><b>Reads.</b> By plan a read fails once, or finds a bit flipped that stays flipped for all
 * later reads: an overlay, so that it can be switched off and the truth be seen. {@link
 * Disk.Input#tryRead} refuses now and then.
 *
 * <p><b>Space and time.</b> A disk that is full takes part of an append, and fails, or takes all of
 * it and fails at the sync. Until something is deleted, new names may be refused too. Operations
 * take virtual time, now and then a hundredfold. Each is counted; the plan may lose power at the
 * n-th.
 *
 * <p>Whatever is open is known by name, and a process that ends in good order must have closed it.
 */
public final class SimDisk implements Disk, Device {
    /** What was done to a name, and is not durable. */
    private enum Change {
        CREATE,
        RENAME,
        DELETE,
        DELETE_DIRECTORY
    }

    /** A change of a name that is not durable. */
    private static final class Pending {
        final String directory;
        final Change change;

        /** The name after a creation or rename, before a deletion. */
        final String path;

        /** The name before a rename. */
        final String from;

        final @Nullable SimFile file;

        /** A sync of its directory failed: no later one makes it durable. */
        boolean doomed;

        Pending(Change change, String path, String from, @Nullable SimFile file) {
            this.directory = parent(path);
            this.change = change;
            this.path = path;
            this.from = from;
            this.file = file;
        }
    }

    private final Simulation simulation;
    private final Node node;
    private final Prng random;
    private FaultPlan plan;
    private boolean rotShows = true;
    private long operations;
    private long used;

    /** An append found no room, and nothing was deleted since. */
    private boolean full;

    private long handles;

    private TreeMap<String, SimFile> names = new TreeMap<>();
    private TreeSet<String> directories = new TreeSet<>();
    private final TreeMap<String, SimFile> durableNames = new TreeMap<>();
    private final TreeSet<String> durableDirectories = new TreeSet<>();
    private final List<Pending> pending = new ArrayList<>();
    private final TreeMap<Long, String> open = new TreeMap<>();

    public SimDisk(Node node, FaultPlan plan) {
        this.simulation = node.simulation();
        this.node = node;
        this.plan = plan;
        random = simulation.random("disk " + node.name());
        node.attach(this);
    }

    /** From now on. */
    public void plan(FaultPlan newPlan) {
        plan = newPlan;
        full = false;
    }

    /** Whether reads see the bits that rotted. */
    public void showRot(boolean shows) {
        rotShows = shows;
    }

    /** Bytes of all files. */
    public long used() {
        return used;
    }

    /** How many operations there have been. */
    public long operations() {
        return operations;
    }

    /** What is open: path, and the task that opened it. */
    public List<String> openHandles() {
        return new ArrayList<>(open.values());
    }

    @Override
    public Space space() {
        return new Space(plan.capacityBytes(), Math.max(0, plan.capacityBytes() - used));
    }

    @Override
    public void createDirectories(String directory) {
        Disk.requireName(directory);
        begin("createDirectories", directory);
        for (int slash = 0; slash >= 0; ) {
            slash = directory.indexOf('/', slash + 1);
            String d = slash < 0 ? directory : directory.substring(0, slash);
            if (names.containsKey(d)) {
                throw failed(ErrorCode.CONFLICT, "create directory", d, "it is a file");
            }
            if (directories.add(d)) {
                makeDurable(parent(d));
                pending.removeIf(p -> p.change == Change.DELETE_DIRECTORY && p.path.equals(d));
                durableDirectories.add(d);
            }
        }
        busy("createDirectories");
    }

    @Override
    public Output create(String path) {
        Disk.requireName(path);
        begin("create", path);
        requireDirectory("create", parent(path));
        if (names.containsKey(path) || directories.contains(path)) {
            throw failed(ErrorCode.CONFLICT, "create", path, "it exists");
        }
        requireRoom("create", path);
        SimFile file = new SimFile();
        file.names = 1;
        names.put(path, file);
        pending.add(new Pending(Change.CREATE, path, path, file));
        busy("create");
        return new SimOutput(path, file);
    }

    @Override
    public Input open(String path) {
        Disk.requireName(path);
        begin("open", path);
        busy("open");
        SimFile file = names.get(path);
        if (file == null) {
            throw failed(ErrorCode.NOT_FOUND, "open", path, "no such file");
        }
        Check.that(!file.unfinished, "open of %s while it is being written", path);
        return new SimInput(path, file);
    }

    @Override
    public boolean exists(String path) {
        Disk.requireName(path);
        begin("exists", path);
        return names.containsKey(path) || directories.contains(path);
    }

    @Override
    public void rename(String from, String to) {
        Disk.requireName(from);
        Disk.requireName(to);
        begin("rename", from);
        if (!parent(from).equals(parent(to))) {
            throw PageserverException.badRequest(
                    "rename %s to %s: not in the same directory", from, to);
        }
        if (directories.contains(to)) {
            throw failed(ErrorCode.CONFLICT, "rename " + from + " to", to, "it is a directory");
        }
        SimFile file = names.get(from);
        if (file == null) {
            throw failed(ErrorCode.NOT_FOUND, "rename", from, "no such file");
        }
        // As POSIX has it, nothing is done if both are names of one file.
        if (file != names.get(to)) {
            requireRoom("rename " + from + " to", to);
            names.remove(from);
            SimFile replaced = names.put(to, file);
            if (replaced != null) {
                dropName(replaced);
            }
            pending.add(new Pending(Change.RENAME, to, from, file));
        }
        busy("rename");
    }

    @Override
    public void link(String existing, String name) {
        Disk.requireName(existing);
        Disk.requireName(name);
        begin("link", name);
        String operation = "link " + existing + " as";
        if (directories.contains(existing)) {
            throw failed(ErrorCode.IO, operation, name, existing + " is a directory");
        }
        SimFile file = names.get(existing);
        if (file == null) {
            throw failed(ErrorCode.NOT_FOUND, operation, name, "no such file");
        }
        Check.that(!file.unfinished, "link of %s while it is being written", existing);
        requireDirectory(operation, parent(name));
        if (names.containsKey(name) || directories.contains(name)) {
            throw failed(ErrorCode.CONFLICT, operation, name, "it exists");
        }
        requireRoom(operation, name);
        file.names++;
        names.put(name, file);
        pending.add(new Pending(Change.CREATE, name, name, file));
        busy("link");
    }

    /** A full disk may have no room for a name either. */
    private void requireRoom(String operation, String path) {
        if (full && random.oneIn(4)) {
            throw failed(ErrorCode.NO_SPACE, operation, path, "no space left on device");
        }
    }

    private void dropName(SimFile file) {
        if (--file.names == 0) {
            used -= file.size();
            full = false;
        }
    }

    @Override
    public void delete(String path) {
        Disk.requireName(path);
        begin("delete", path);
        if (directories.contains(path)) {
            throw failed(ErrorCode.IO, "delete", path, "it is a directory");
        }
        deleteFile(path);
        busy("delete");
    }

    private void deleteFile(String path) {
        SimFile file = names.remove(path);
        if (file != null) {
            dropName(file);
            pending.add(new Pending(Change.DELETE, path, path, null));
        }
    }

    @Override
    public void deleteTree(String directory) {
        Disk.requireName(directory);
        begin("deleteTree", directory);
        for (String path :
                new ArrayList<>(names.subMap(directory + "/", directory + "0").keySet())) {
            deleteFile(path);
        }
        // '0' is the character after '/': all that is below the directory, deepest first.
        for (String d :
                directories.subSet(directory + "/", true, directory + "0", false).stream()
                        .toList()
                        .reversed()) {
            directories.remove(d);
            pending.add(new Pending(Change.DELETE_DIRECTORY, d, d, null));
        }
        if (directories.remove(directory)) {
            pending.add(new Pending(Change.DELETE_DIRECTORY, directory, directory, null));
        }
        busy("deleteTree");
    }

    @Override
    public List<String> list(String directory) {
        if (!directory.isEmpty()) {
            Disk.requireName(directory);
        }
        begin("list", directory);
        busy("list");
        TreeSet<String> found = new TreeSet<>();
        String prefix = directory.isEmpty() ? "" : directory + "/";
        for (String path : names.tailMap(prefix).keySet()) {
            if (!path.startsWith(prefix)) {
                break;
            }
            if (path.indexOf('/', prefix.length()) < 0) {
                found.add(path.substring(prefix.length()));
            }
        }
        for (String d : directories.tailSet(prefix)) {
            if (!d.startsWith(prefix)) {
                break;
            }
            if (d.indexOf('/', prefix.length()) < 0) {
                found.add(d.substring(prefix.length()));
            }
        }
        return new ArrayList<>(found);
    }

    @Override
    public void syncDirectory(String directory) {
        if (!directory.isEmpty()) {
            Disk.requireName(directory);
        }
        begin("syncDirectory", directory);
        requireDirectory("sync", directory);
        List<Pending> covered = new ArrayList<>();
        for (Pending p : pending) {
            if (p.directory.equals(directory) && !p.doomed) {
                covered.add(p);
            }
        }
        busy("syncDirectory");
        if (strikes(plan.syncFails(), "sync fails: ", directory)) {
            covered.forEach(p -> p.doomed = true);
            throw failed(ErrorCode.IO, "sync directory", directory, "input/output error");
        }
        for (Pending p : covered) {
            if (pending.remove(p)) {
                apply(p, true);
            }
        }
    }

    private void makeDurable(String directory) {
        for (Pending p : new ArrayList<>(pending)) {
            if (p.directory.equals(directory) && !p.doomed && pending.remove(p)) {
                apply(p, true);
            }
        }
    }

    /** Does to the durable names what was done to those seen. */
    private void apply(Pending p, boolean synced) {
        switch (p.change) {
            case CREATE, RENAME -> {
                if (p.change == Change.RENAME) {
                    durableNames.remove(p.from);
                }
                if (p.file != null) {
                    durableNames.put(p.path, p.file);
                }
            }
            case DELETE -> durableNames.remove(p.path);
            case DELETE_DIRECTORY -> {
                if (synced) {
                    // What was in it is gone with it.
                    pending.removeIf(q -> q.directory.equals(p.path) || below(q.path, p.path));
                    durableNames.subMap(p.path + "/", p.path + "0").clear();
                    durableDirectories.subSet(p.path + "/", p.path + "0").clear();
                    durableDirectories.remove(p.path);
                } else if (durableNames.subMap(p.path + "/", p.path + "0").isEmpty()
                        && durableDirectories.subSet(p.path + "/", p.path + "0").isEmpty()) {
                    durableDirectories.remove(p.path);
                }
            }
        }
    }

    @Override
    public void powerLost() {
        boolean loses = simulation.strikes(node.name(), "what was not synced is lost");
        while (!loses && !pending.isEmpty()) {
            apply(pending.removeFirst(), true);
        }
        int fate = random.nextInt(4);
        for (Pending p : pending) {
            boolean survives = fate == 0 || fate > 1 && random.nextBoolean();
            if (survives && durableDirectory(p.directory)) {
                apply(p, false);
            }
        }
        pending.clear();
        open.clear();
        int sector = random.nextBoolean() ? 512 : 4096;
        used = 0;
        full = false;
        durableNames.values().forEach(file -> file.names = 0);
        for (SimFile file : durableNames.values()) {
            if (file.names++ == 0) {
                if (loses) {
                    file.powerLost(random, plan.tornWrites(), sector);
                } else {
                    file.kept();
                }
                used += file.size();
            }
        }
        names = new TreeMap<>(durableNames);
        directories = new TreeSet<>(durableDirectories);
    }

    private boolean durableDirectory(String directory) {
        return directory.isEmpty() || durableDirectories.contains(directory);
    }

    private void begin(String operation, String path) {
        operations++;
        simulation.trace().note(operations);
        simulation.trace().note(operation);
        simulation.trace().note(path);
        if (plan.powerLossAt() > 0 && operations >= plan.powerLossAt()) {
            if (!plan.powerLossAtNames() || onNames(operation)) {
                plan = plan.withPowerLossAt(0);
                simulation.kill(node);
            }
        }
    }

    /** Before it or after it, a name has changed that may not be durable. */
    private static boolean onNames(String operation) {
        return switch (operation) {
            case "rename", "syncDirectory" -> true;
            default -> false;
        };
    }

    private boolean strikes(int oneIn, String what, String path) {
        return FaultPlan.strikes(oneIn, random) && simulation.strikes(node.name(), what + path);
    }

    private void busy(String operation) {
        simulation.busy(operation, plan.jitter(plan.diskNanos(), random));
    }

    private void requireDirectory(String operation, String directory) {
        if (!directory.isEmpty() && !directories.contains(directory)) {
            throw failed(ErrorCode.NOT_FOUND, operation, directory, "no such directory");
        }
    }

    private static PageserverException failed(
            ErrorCode code, String operation, String path, String why) {
        return PageserverException.of(code, "%s %s: %s", operation, path, why);
    }

    private static String parent(String path) {
        int slash = path.lastIndexOf('/');
        return slash < 0 ? "" : path.substring(0, slash);
    }

    private static boolean below(String path, String directory) {
        return path.length() > directory.length()
                && path.startsWith(directory)
                && path.charAt(directory.length()) == '/';
    }

    private final class SimOutput implements Output {
        private final String path;
        private final SimFile file;
        private final long handle = handles++;
        private boolean closed;

        SimOutput(String path, SimFile file) {
            this.path = path;
            this.file = file;
            open.put(handle, path + " (written by " + simulation.currentName() + ")");
        }

        @Override
        public void append(byte[] bytes, int offset, int length) {
            usable();
            begin("append", path);
            simulation.trace().note(length);
            if (length > plan.capacityBytes() - used) {
                full = true;
                if (random.nextBoolean()) {
                    int some = random.nextInt((int) Math.max(0, plan.capacityBytes() - used) + 1);
                    take(bytes, offset, some);
                    file.broken = true;
                    throw failed(ErrorCode.NO_SPACE, "append to", path, "no space left on device");
                }
                file.overdrawn = true;
            }
            take(bytes, offset, length);
            // Mostly the write goes to memory and takes no time.
            if (random.oneIn(8)) {
                busy("append");
            }
        }

        private void take(byte[] bytes, int offset, int length) {
            file.append(bytes, offset, length);
            used += length;
        }

        @Override
        public long size() {
            return file.size();
        }

        @Override
        public void sync() {
            usable();
            begin("sync", path);
            int length = file.size();
            busy("sync");
            if (strikes(plan.syncFails(), "sync fails: ", path)) {
                file.broken = true;
                throw failed(ErrorCode.IO, "sync", path, "input/output error");
            }
            if (file.overdrawn) {
                file.broken = true;
                throw failed(ErrorCode.NO_SPACE, "sync", path, "no space left on device");
            }
            file.makeDurable(length);
        }

        private void usable() {
            Check.that(!closed, "use of the closed output %s", path);
            Check.that(!file.broken, "use of the output %s after it failed", path);
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                file.unfinished = false;
                open.remove(handle);
            }
        }
    }

    private final class SimInput implements Input {
        private final String path;
        private final SimFile file;
        private final long handle = handles++;
        private boolean closed;

        SimInput(String path, SimFile file) {
            this.path = path;
            this.file = file;
            open.put(handle, path + " (read by " + simulation.currentName() + ")");
        }

        @Override
        public long size() {
            return file.size();
        }

        @Override
        public void read(long position, byte[] into, int offset, int length) {
            Check.that(!closed, "read of the closed input %s", path);
            begin("read", path);
            simulation.trace().note(position);
            busy("read");
            if (strikes(plan.readFails(), "read fails: ", path)) {
                throw failed(ErrorCode.IO, "read", path, "input/output error at " + position);
            }
            take(position, into, offset, length);
        }

        @Override
        public boolean tryRead(long position, byte[] into, int offset, int length) {
            Check.that(!closed, "read of the closed input %s", path);
            if (FaultPlan.strikes(plan.tryReadRefuses(), random)) {
                return false;
            }
            take(position, into, offset, length);
            return true;
        }

        private void take(long position, byte[] into, int offset, int length) {
            if (position < 0 || length > file.size() - position) {
                throw failed(
                        ErrorCode.IO,
                        "read",
                        path,
                        "expected "
                                + length
                                + " bytes at "
                                + position
                                + ", found a file of "
                                + file.size());
            }
            if (length > 0 && strikes(plan.bitRot(), "bit rots: ", path)) {
                file.rot((int) position + random.nextInt(length), 1 << random.nextInt(8));
            }
            file.read((int) position, into, offset, length, rotShows);
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                open.remove(handle);
            }
        }
    }
}
