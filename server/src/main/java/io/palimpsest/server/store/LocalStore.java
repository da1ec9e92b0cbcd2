package io.palimpsest.server.store;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.server.disk.DiskFull;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Objects in a directory, a file each, with a {@link LocalTrailer}. Durable in earnest, and shared
 * by any number of processes of one machine.
 *
 * <p><b>Put.</b> The file is written in {@code .tmp}, synced, and then gets its name in one step:
 * by a link where nothing may be replaced, by a rename else; then the directory is synced, and
 * before it every directory that was made for it. What a crash leaves in {@code .tmp} is deleted
 * when the store is opened a day later.
 *
 * <p><b>Two processes.</b> Links and renames are atomic by themselves. Replacing a version means to
 * look and then to act, so all that replaces or deletes holds the lock on {@code .lock} for that
 * moment, against other processes and, since such locks are a process's, other threads.
 *
 * <p><b>Outside.</b> {@link ObjectStore#requireKey} lets nothing pass that could lead out. A
 * symbolic link below the root is not followed, at any step of the way.
 */
public final class LocalStore implements ObjectStore, LeftOvers {
    private static final FileAttribute<Set<PosixFilePermission>> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final int BUFFER = 1 << 18;
    private static final Duration LEFT_OVER = Duration.ofDays(1);

    /** Directories that are remembered, at most: two for a tenant, one for a timeline. */
    private static final int MOST_DURABLE = 10_000;

    /** Names made anew because a directory went away under them, before it is a failure. */
    private static final int ATTEMPTS = 100;

    private static final ConcurrentHashMap<Path, ReentrantLock> LOCKS = new ConcurrentHashMap<>();

    private final Path root;
    private final Path temporary;
    private final Path lockFile;
    private final ReentrantLock threads;
    private final SecureRandom random = new SecureRandom();

    /** Directories whose names were made durable, while they are the same. */
    private final ConcurrentHashMap<Path, Made> durable = new ConcurrentHashMap<>();

    /**
     * Makes the directory if it is not there.
     *
     * @throws PageserverException BAD_REQUEST if the place cannot be a store's, DENIED, IO
     */
    public LocalStore(Path directory) {
        try {
            Path absolute = directory.toAbsolutePath().normalize();
            createAll(absolute);
            root = absolute.toRealPath();
            temporary = root.resolve(".tmp");
            lockFile = root.resolve(".lock");
            createAll(temporary);
            deleteLeftOvers();
        } catch (FileAlreadyExistsException | NotDirectoryException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST, directory + " cannot be a directory: " + e, e);
        } catch (IOException e) {
            throw failed("open the store", directory, e);
        }
        threads = LOCKS.computeIfAbsent(root, r -> new ReentrantLock());
    }

    public Path root() {
        return root;
    }

    private void deleteLeftOvers() {
        leftOvers(LEFT_OVER).forEach(this::delete);
    }

    /** Files that never got a name. */
    @Override
    public List<LeftOver> leftOvers(Duration age) {
        long latest = System.currentTimeMillis() - age.toMillis();
        List<LeftOver> found = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(temporary)) {
            for (Path file : entries) {
                BasicFileAttributes attributes;
                try {
                    attributes =
                            Files.readAttributes(
                                    file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
                } catch (NoSuchFileException e) {
                    continue;
                }
                long modified = attributes.lastModifiedTime().toMillis();
                if (modified <= latest && !attributes.isDirectory()) {
                    String name = String.valueOf(file.getFileName());
                    found.add(new LeftOver(name, name, modified, attributes.size()));
                }
            }
        } catch (IOException e) {
            throw failed("list", temporary, e);
        }
        return found;
    }

    @Override
    public void delete(LeftOver leftOver) {
        Path file = temporary.resolve(leftOver.id());
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw failed("delete", file, e);
        }
    }

    @Override
    public String put(String key, Content content, Condition condition) {
        Path target = path(key);
        long version = random.nextLong();
        Path written = write(key, content, version);
        try {
            try {
                name(key, written, target, condition);
            } finally {
                Files.deleteIfExists(written);
            }
        } catch (FileAlreadyExistsException e) {
            throw conflict(key, "it is there", e);
        } catch (IOException e) {
            throw failed("put", target, e);
        }
        return Long.toHexString(version);
    }

    /** The object in a synced file that has no name yet. */
    private Path write(String key, Content content, long version) {
        Path file = temporary.resolve(Long.toHexString(random.nextLong()));
        boolean whole = false;
        try (FileChannel out =
                FileChannel.open(
                        file,
                        EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                        OWNER_ONLY)) {
            CRC32C crc = new CRC32C();
            byte[] buffer = new byte[(int) Math.min(BUFFER, content.length())];
            for (long at = 0; at < content.length(); ) {
                int n = (int) Math.min(buffer.length, content.length() - at);
                content.read(at, buffer, 0, n);
                crc.update(buffer, 0, n);
                writeFully(out, ByteBuffer.wrap(buffer, 0, n));
                at += n;
            }
            requireChecksum(key, content.crc32c(), (int) crc.getValue());
            LocalTrailer trailer = new LocalTrailer(content.length(), version, content.crc32c());
            writeFully(out, ByteBuffer.wrap(trailer.bytes()));
            out.force(true);
            whole = true;
            return file;
        } catch (IOException e) {
            throw failed("put", file, e);
        } finally {
            if (!whole) {
                discard(file);
            }
        }
    }

    private static void discard(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // the failure that led here says what is wrong; the file is deleted in a day
        }
    }

    private static void writeFully(FileChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    static void requireChecksum(String key, int expected, int found) {
        if (expected != found) {
            throw PageserverException.corruption(
                    "%s: expected CRC32C %08x, found %08x", key, expected, found);
        }
    }

    /** Gives the written file its name. Directories may go away meanwhile, with their last file. */
    private void name(String key, Path written, Path target, Condition condition)
            throws IOException {
        Path directory = parent(target);
        for (int attempt = 1; ; attempt++) {
            try {
                createAll(directory);
                requireInside(directory);
                switch (condition) {
                    case Condition.Absent _ -> Files.createLink(target, written);
                    case Condition.Always _ -> exclusively(() -> replace(key, written, target));
                    case Condition.Version v ->
                            exclusively(() -> {
                                LocalTrailer there = trailerOrNull(target);
                                if (there == null
                                        || !Long.toHexString(there.version()).equals(v.version())) {
                                    throw conflict(
                                            key,
                                            there == null
                                                    ? "it is not there"
                                                    : "it is of another version",
                                            null);
                                }
                                replace(key, written, target);
                            });
                }
                forceUp(directory);
                return;
            } catch (NoSuchFileException e) {
                if (attempt == ATTEMPTS) {
                    throw new IOException("directories go away as fast as they are made", e);
                }
            } catch (UnsupportedOperationException e) {
                throw new PageserverException(
                        ErrorCode.UNSUPPORTED,
                        "the file system of " + root + " has no hard links, which a store needs",
                        e);
            }
        }
    }

    /**
     * Makes names durable up to the root: a directory that was there may have been made by somebody
     * who has not come to that yet. That is done once for a directory; one that was deleted and
     * made again is another one.
     */
    private void forceUp(Path directory) throws IOException {
        try {
            force(directory);
            for (Path d = directory; !d.equals(root); d = parent(d)) {
                Made made = Made.of(d);
                if (!made.equals(durable.get(d))) {
                    force(parent(d));
                    if (durable.size() >= MOST_DURABLE) {
                        durable.clear();
                    }
                    durable.put(d, made);
                }
            }
        } catch (NoSuchFileException e) {
            // What was put is deleted again, with its directory.
        }
    }

    /**
     * What tells a directory from another one of the same name: a number that is free again may be
     * given to the next. Where the file system does not know when something was made, it is told
     * when it was changed, so that a directory is taken for another one once too often.
     */
    private record Made(@Nullable Object number, FileTime at) {
        static Made of(Path directory) throws IOException {
            BasicFileAttributes found =
                    Files.readAttributes(
                            directory, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            return new Made(found.fileKey(), found.creationTime());
        }
    }

    private static void replace(String key, Path written, Path target) throws IOException {
        if (Files.isDirectory(target, LinkOption.NOFOLLOW_LINKS)) {
            throw conflict(key, "there are objects below it", null);
        }
        Files.move(
                written,
                target,
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
    }

    private interface Step {
        void run() throws IOException;
    }

    /** With nobody else replacing or deleting. */
    private void exclusively(Step step) throws IOException {
        threads.lock();
        try (FileChannel channel =
                        FileChannel.open(
                                lockFile,
                                EnumSet.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
                                OWNER_ONLY);
                FileLock lock = channel.lock()) {
            if (!lock.isValid()) {
                throw new IOException("the lock was lost");
            }
            step.run();
        } finally {
            threads.unlock();
        }
    }

    @Override
    public Stored get(String key, Sink sink) {
        Path file = path(key);
        try (FileChannel in = open(file)) {
            LocalTrailer trailer = trailer(in, file);
            CRC32C crc = new CRC32C();
            byte[] buffer = new byte[(int) Math.min(BUFFER, trailer.length())];
            for (long at = 0; at < trailer.length(); ) {
                int n = (int) Math.min(buffer.length, trailer.length() - at);
                readFully(in, at, buffer, 0, n, file);
                crc.update(buffer, 0, n);
                sink.accept(buffer, 0, n);
                at += n;
            }
            requireChecksum(file.toString(), trailer.crc32c(), (int) crc.getValue());
            return stored(file, trailer);
        } catch (IOException e) {
            throw failed("get", file, e);
        }
    }

    @Override
    public void get(String key, long position, byte[] into, int offset, int length) {
        Path file = path(key);
        try (FileChannel in = open(file)) {
            LocalTrailer trailer = trailer(in, file);
            if (position + length > trailer.length()) {
                throw PageserverException.corruption(
                        "%s: expected %d bytes at %d, found %d in all",
                        file, length, position, trailer.length());
            }
            readFully(in, position, into, offset, length, file);
        } catch (IOException e) {
            throw failed("get", file, e);
        }
    }

    @Override
    public Stored head(String key) {
        Path file = path(key);
        try (FileChannel in = open(file)) {
            return stored(file, trailer(in, file));
        } catch (IOException e) {
            throw failed("head", file, e);
        }
    }

    private FileChannel open(Path file) throws IOException {
        requireInside(parent(file));
        if (!Files.isDirectory(parent(file))
                || Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new NoSuchFileException(file.toString());
        }
        return FileChannel.open(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
    }

    private static Stored stored(Path file, LocalTrailer trailer) throws IOException {
        long modified;
        try {
            modified = Files.getLastModifiedTime(file, LinkOption.NOFOLLOW_LINKS).toMillis();
        } catch (NoSuchFileException e) {
            // deleted since it was opened
            modified = System.currentTimeMillis();
        }
        return new Stored(
                trailer.length(), trailer.crc32c(), Long.toHexString(trailer.version()), modified);
    }

    private static LocalTrailer trailer(FileChannel in, Path file) throws IOException {
        long size = in.size();
        if (size < LocalTrailer.SIZE) {
            throw PageserverException.corruption(
                    "%s: expected an object with its trailer of %d bytes, found %d",
                    file, LocalTrailer.SIZE, size);
        }
        byte[] b = new byte[LocalTrailer.SIZE];
        readFully(in, size - LocalTrailer.SIZE, b, 0, b.length, file);
        return LocalTrailer.parse(b, file.toString(), size);
    }

    private @Nullable LocalTrailer trailerOrNull(Path file) throws IOException {
        try (FileChannel in = open(file)) {
            return trailer(in, file);
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    private static void readFully(
            FileChannel in, long position, byte[] into, int offset, int length, Path file)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(into, offset, length);
        while (buffer.hasRemaining()) {
            if (in.read(buffer, position + buffer.position() - offset) < 0) {
                throw PageserverException.corruption(
                        "%s: expected %d bytes at %d, the file ends before",
                        file, length, position);
            }
        }
    }

    @Override
    public Listing list(String prefix, boolean recursive, int limit, @Nullable String page) {
        ObjectStore.requirePrefix(prefix);
        int slash = prefix.lastIndexOf('/') + 1;
        Path start = slash == 0 ? root : root.resolve(prefix.substring(0, slash - 1));
        LocalList list = new LocalList(prefix, recursive, limit, page == null ? "" : page);
        try {
            requireInside(start);
            list.walk(start, prefix.substring(0, slash));
        } catch (NoSuchFileException e) {
            // nothing is there
        } catch (DirectoryIteratorException e) {
            throw failed("list", start, new IOException(e));
        } catch (IOException e) {
            throw failed("list", start, e);
        }
        return list.listing();
    }

    @Override
    public void delete(List<String> keys) {
        List<Path> files = keys.stream().map(this::path).toList();
        TreeSet<Path> directories = new TreeSet<>();
        for (Path file : files) {
            try {
                requireInside(parent(file));
                if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
                    exclusively(() -> Files.deleteIfExists(file));
                }
                // Also if it was not there: who deleted it may not have come to this.
                if (Files.isDirectory(parent(file))) {
                    directories.add(parent(file));
                }
            } catch (NoSuchFileException e) {
                // its directory is not there
            } catch (IOException e) {
                throw failed("delete", file, e);
            }
        }
        for (Path directory : directories) {
            try {
                force(directory);
                deleteEmpty(directory);
            } catch (NoSuchFileException e) {
                // gone meanwhile
            } catch (IOException e) {
                throw failed("delete in", directory, e);
            }
        }
    }

    /** Deletes directories that nothing is in any more, from that one up. */
    private void deleteEmpty(Path directory) throws IOException {
        for (Path d = directory; !d.equals(root); d = parent(d)) {
            try {
                Files.delete(d);
            } catch (DirectoryNotEmptyException | NoSuchFileException e) {
                return;
            }
            try {
                force(parent(d));
            } catch (NoSuchFileException e) {
                // somebody else deletes here, too
            }
        }
    }

    @Override
    public void copy(String from, String to) {
        Path file = path(from);
        path(to);
        try (FileChannel in = open(file)) {
            LocalTrailer trailer = trailer(in, file);
            // Read again, not linked: a damaged one is found, and one damaged later is one only.
            put(
                    to,
                    new Part(
                            trailer.length(),
                            trailer.crc32c(),
                            (position, into, offset, length) -> {
                                try {
                                    readFully(in, position, into, offset, length, file);
                                } catch (IOException e) {
                                    throw failed("copy", file, e);
                                }
                            }),
                    Condition.ALWAYS);
        } catch (IOException e) {
            throw failed("copy", file, e);
        }
    }

    private Path path(String key) {
        return root.resolve(ObjectStore.requireKey(key));
    }

    private static Path parent(Path path) {
        Path parent = path.getParent();
        if (parent == null) {
            throw PageserverException.badRequest("%s has no directory above it", path);
        }
        return parent;
    }

    /** Refuses a directory that is reached by a symbolic link; it must be there. */
    private void requireInside(Path directory) throws IOException {
        if (!directory.toRealPath().equals(directory)) {
            throw PageserverException.badRequest(
                    "%s leads out of the store by a symbolic link, to %s",
                    directory, directory.toRealPath());
        }
    }

    /** Makes a directory and those above it, each durable in the one above. */
    private static void createAll(Path directory) throws IOException {
        if (Files.isDirectory(directory)) {
            return;
        }
        Path parent = directory.getParent();
        if (parent != null) {
            createAll(parent);
        }
        try {
            Files.createDirectory(directory);
        } catch (FileAlreadyExistsException e) {
            if (!Files.isDirectory(directory)) {
                throw e;
            }
        }
        if (parent != null) {
            force(parent);
        }
    }

    private static void force(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static PageserverException conflict(String key, String why, @Nullable Throwable cause) {
        String message = "put " + key + ": " + why;
        return cause == null
                ? new PageserverException(ErrorCode.CONFLICT, message)
                : new PageserverException(ErrorCode.CONFLICT, message, cause);
    }

    private static PageserverException failed(String what, Path path, IOException e) {
        ErrorCode code =
                switch (e) {
                    case NoSuchFileException _ -> ErrorCode.NOT_FOUND;
                    case NotDirectoryException _ -> ErrorCode.CONFLICT;
                    case AccessDeniedException _ -> ErrorCode.DENIED;
                    default -> DiskFull.is(e) ? ErrorCode.NO_SPACE : ErrorCode.UNAVAILABLE;
                };
        String why =
                code == ErrorCode.DENIED
                        ? "access denied to user " + System.getProperty("user.name")
                        : e.getMessage();
        return new PageserverException(
                code,
                "%s %s: %s".formatted(what, path, why == null ? e.getClass().getSimpleName() : why),
                e);
    }
}
