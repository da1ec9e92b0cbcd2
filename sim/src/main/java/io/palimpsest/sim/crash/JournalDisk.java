package io.palimpsest.sim.crash;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Disk;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A disk in memory, without time and without chance, that writes down all that is done to it: what
 * {@link CrashStates} enumerates from. No operation waits, so a run on it has no schedule but its
 * tasks'.
 */
final class JournalDisk implements Disk {
    /** One operation that changes what a crash may leave. */
    sealed interface Operation {
        record CreateDirectories(String path) implements Operation {}

        record Create(String path, File file) implements Operation {
            @Override
            public String toString() {
                return "Create[" + path + "]";
            }
        }

        record Append(File file, byte[] bytes) implements Operation {
            @Override
            public String toString() {
                return "Append[" + bytes.length + " bytes]";
            }
        }

        record Sync(File file) implements Operation {
            @Override
            public String toString() {
                return "Sync[" + file.size + " bytes]";
            }
        }

        record Rename(String from, String to) implements Operation {}

        record Link(String existing, String name) implements Operation {}

        record Delete(String path) implements Operation {}

        record DeleteTree(String path) implements Operation {}

        record SyncDirectory(String path) implements Operation {}
    }

    /** A file without its name, as a running process sees it. */
    static final class File {
        private byte[] bytes;
        private int size;
        private DiskState.@Nullable Content content;

        File(DiskState.Content content) {
            this.bytes = content.bytes;
            this.size = bytes.length;
            this.content = content;
        }

        private void append(byte[] b) {
            if (bytes.length - size < b.length) {
                bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, size + b.length));
            }
            System.arraycopy(b, 0, bytes, size, b.length);
            size += b.length;
            content = null;
        }

        DiskState.Content content() {
            DiskState.Content c = content;
            if (c == null) {
                c = new DiskState.Content(Arrays.copyOf(bytes, size));
                content = c;
            }
            return c;
        }
    }

    private final TreeMap<String, File> names = new TreeMap<>();
    private final TreeSet<String> directories;
    private final List<Operation> journal = new ArrayList<>();
    private final Runnable before;
    private int handles;

    /**
     * @param before is called before each operation is written down
     */
    JournalDisk(DiskState state, Runnable before) {
        state.files().forEach((path, content) -> names.put(path, new File(content)));
        directories = new TreeSet<>(state.directories());
        this.before = before;
    }

    /** What was done so far; it grows. */
    List<Operation> journal() {
        return journal;
    }

    /** Files that are open. */
    int handles() {
        return handles;
    }

    /** What a process sees. */
    DiskState state() {
        TreeMap<String, DiskState.Content> files = new TreeMap<>();
        names.forEach((path, file) -> files.put(path, file.content()));
        return new DiskState(files, new TreeSet<>(directories));
    }

    private void note(Operation operation) {
        before.run();
        journal.add(operation);
    }

    @Override
    public Space space() {
        return new Space(Long.MAX_VALUE, Long.MAX_VALUE);
    }

    @Override
    public void createDirectories(String directory) {
        Disk.requireName(directory);
        for (int slash = 0; slash >= 0; ) {
            slash = directory.indexOf('/', slash + 1);
            String d = slash < 0 ? directory : directory.substring(0, slash);
            if (names.containsKey(d)) {
                throw failed(ErrorCode.CONFLICT, "create directory", d, "it is a file");
            }
            if (!directories.contains(d)) {
                note(new Operation.CreateDirectories(d));
                directories.add(d);
            }
        }
    }

    @Override
    public Output create(String path) {
        Disk.requireName(path);
        requireDirectory("create", parent(path));
        if (names.containsKey(path) || directories.contains(path)) {
            throw failed(ErrorCode.CONFLICT, "create", path, "it exists");
        }
        File file = new File(new DiskState.Content(new byte[0]));
        note(new Operation.Create(path, file));
        names.put(path, file);
        return new Writing(file);
    }

    @Override
    public Input open(String path) {
        Disk.requireName(path);
        File file = names.get(path);
        if (file == null) {
            throw failed(ErrorCode.NOT_FOUND, "open", path, "no such file");
        }
        return new Reading(path, file.content().bytes);
    }

    @Override
    public boolean exists(String path) {
        Disk.requireName(path);
        return names.containsKey(path) || directories.contains(path);
    }

    @Override
    public void rename(String from, String to) {
        Disk.requireName(from);
        Disk.requireName(to);
        if (!parent(from).equals(parent(to))) {
            throw PageserverException.badRequest(
                    "rename %s to %s: not in the same directory", from, to);
        }
        if (directories.contains(to)) {
            throw failed(ErrorCode.CONFLICT, "rename " + from + " to", to, "it is a directory");
        }
        File file = names.get(from);
        if (file == null) {
            throw failed(ErrorCode.NOT_FOUND, "rename", from, "no such file");
        }
        note(new Operation.Rename(from, to));
        names.remove(from);
        names.put(to, file);
    }

    @Override
    public void link(String existing, String name) {
        Disk.requireName(existing);
        Disk.requireName(name);
        if (directories.contains(existing)) {
            throw failed(ErrorCode.IO, "link", existing, "it is a directory");
        }
        File file = names.get(existing);
        if (file == null) {
            throw failed(ErrorCode.NOT_FOUND, "link", existing, "no such file");
        }
        requireDirectory("link", parent(name));
        if (names.containsKey(name) || directories.contains(name)) {
            throw failed(ErrorCode.CONFLICT, "link " + existing + " to", name, "it exists");
        }
        note(new Operation.Link(existing, name));
        names.put(name, file);
    }

    @Override
    public void delete(String path) {
        Disk.requireName(path);
        if (directories.contains(path)) {
            throw failed(ErrorCode.IO, "delete", path, "it is a directory");
        }
        if (names.containsKey(path)) {
            note(new Operation.Delete(path));
            names.remove(path);
        }
    }

    @Override
    public void deleteTree(String directory) {
        Disk.requireName(directory);
        if (directories.contains(directory)) {
            note(new Operation.DeleteTree(directory));
            names.subMap(directory + "/", directory + "0").clear();
            directories.subSet(directory + "/", directory + "0").clear();
            directories.remove(directory);
        }
    }

    @Override
    public List<String> list(String directory) {
        if (!directory.isEmpty()) {
            Disk.requireName(directory);
        }
        TreeSet<String> found = new TreeSet<>();
        String prefix = directory.isEmpty() ? "" : directory + "/";
        // '0' is the character after '/': all that is below the directory.
        String end = directory.isEmpty() ? "\uffff" : directory + "0";
        for (String path : names.subMap(prefix, end).keySet()) {
            if (path.indexOf('/', prefix.length()) < 0) {
                found.add(path.substring(prefix.length()));
            }
        }
        for (String d : directories.subSet(prefix, end)) {
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
        requireDirectory("sync", directory);
        note(new Operation.SyncDirectory(directory));
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

    static String parent(String path) {
        int slash = path.lastIndexOf('/');
        return slash < 0 ? "" : path.substring(0, slash);
    }

    private final class Writing implements Output {
        private final File file;
        private boolean closed;

        Writing(File file) {
            this.file = file;
            handles++;
        }

        @Override
        public void append(byte[] bytes, int offset, int length) {
            Check.that(!closed, "append to a closed output");
            byte[] piece = Arrays.copyOfRange(bytes, offset, offset + length);
            note(new Operation.Append(file, piece));
            file.append(piece);
        }

        @Override
        public long size() {
            return file.size;
        }

        @Override
        public void sync() {
            Check.that(!closed, "sync of a closed output");
            note(new Operation.Sync(file));
        }

        @Override
        public void close() {
            handles -= closed ? 0 : 1;
            closed = true;
        }
    }

    private final class Reading implements Input {
        private final String path;
        private final byte[] bytes;
        private boolean closed;

        Reading(String path, byte[] bytes) {
            this.path = path;
            this.bytes = bytes;
            handles++;
        }

        @Override
        public long size() {
            return bytes.length;
        }

        @Override
        public void read(long position, byte[] into, int offset, int length) {
            Check.that(!closed, "read of the closed input %s", path);
            if (position < 0 || length > bytes.length - position) {
                throw failed(
                        ErrorCode.IO,
                        "read",
                        path,
                        "expected "
                                + length
                                + " bytes at "
                                + position
                                + ", found a file of "
                                + bytes.length);
            }
            System.arraycopy(bytes, (int) position, into, offset, length);
        }

        @Override
        public boolean tryRead(long position, byte[] into, int offset, int length) {
            read(position, into, offset, length);
            return true;
        }

        @Override
        public void close() {
            handles -= closed ? 0 : 1;
            closed = true;
        }
    }
}
