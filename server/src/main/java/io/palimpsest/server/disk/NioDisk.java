package io.palimpsest.server.disk;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Disk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Files below one directory: appends are gathered in a buffer, finished files are read from memory
 * that they are mapped to ({@link FileInput}). A directory is synced by opening and forcing it, as
 * POSIX systems allow.
 */
public final class NioDisk implements Disk {
    /** Files hold other people's data, and some a password. */
    private static final FileAttribute<Set<PosixFilePermission>> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    private static final int BUFFER = 256 * 1024;

    private final Path root;

    /** The directory must exist. */
    public NioDisk(Path root) {
        this.root = root.toAbsolutePath().normalize();
        if (!Files.isDirectory(this.root)) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "%s: expected a directory", this.root);
        }
    }

    private Path path(String name) {
        return root.resolve(Disk.requireName(name));
    }

    private Path directory(String name) {
        return name.isEmpty() ? root : path(name);
    }

    @Override
    public Space space() {
        try {
            FileStore store = Files.getFileStore(root);
            return new Space(store.getTotalSpace(), store.getUsableSpace());
        } catch (IOException e) {
            throw failed("ask for the room of", root, e);
        }
    }

    @Override
    public void createDirectories(String directory) {
        Path target = path(directory);
        try {
            create(target);
        } catch (FileAlreadyExistsException e) {
            throw failed(ErrorCode.CONFLICT, "create directory", target, "it is a file", e);
        } catch (IOException e) {
            throw failed("create directory", target, e);
        }
    }

    private void create(Path directory) throws IOException {
        if (directory.equals(root) || Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Path parent = parent(directory);
        create(parent);
        try {
            Files.createDirectory(directory);
        } catch (FileAlreadyExistsException e) {
            if (!Files.isDirectory(directory)) {
                throw e;
            }
        }
        force(parent);
    }

    private static Path parent(Path path) {
        Path parent = path.getParent();
        if (parent == null) {
            throw PageserverException.badRequest("%s has no directory above it", path);
        }
        return parent;
    }

    @Override
    public Output create(String name) {
        Path path = path(name);
        try {
            return new ChannelOutput(
                    path,
                    FileChannel.open(
                            path,
                            EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                            OWNER_ONLY));
        } catch (FileAlreadyExistsException e) {
            throw failed(ErrorCode.CONFLICT, "create", path, "it exists", e);
        } catch (NoSuchFileException e) {
            throw failed(ErrorCode.NOT_FOUND, "create", path, "no such directory", e);
        } catch (IOException e) {
            throw failed("create", path, e);
        }
    }

    @Override
    public Input open(String name) {
        Path path = path(name);
        try {
            FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
            try {
                return new FileInput(path, channel);
            } catch (IOException e) {
                channel.close();
                throw e;
            }
        } catch (NoSuchFileException e) {
            throw failed(ErrorCode.NOT_FOUND, "open", path, "no such file", e);
        } catch (IOException e) {
            throw failed("open", path, e);
        }
    }

    @Override
    public boolean exists(String name) {
        return Files.exists(path(name), LinkOption.NOFOLLOW_LINKS);
    }

    @Override
    public void rename(String from, String to) {
        Path source = path(from);
        Path target = path(to);
        if (!parent(source).equals(parent(target))) {
            throw PageserverException.badRequest(
                    "rename %s to %s: not in the same directory", from, to);
        }
        try {
            if (Files.isDirectory(target, LinkOption.NOFOLLOW_LINKS)) {
                throw new FileAlreadyExistsException("it is a directory");
            }
            Files.move(
                    source,
                    target,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (NoSuchFileException e) {
            throw failed(ErrorCode.NOT_FOUND, "rename", source, "no such file", e);
        } catch (FileAlreadyExistsException e) {
            throw failed(
                    ErrorCode.CONFLICT, "rename " + from + " to", target, "it is a directory", e);
        } catch (IOException e) {
            throw failed("rename " + from + " to", target, e);
        }
    }

    @Override
    public void link(String existing, String name) {
        Path source = path(existing);
        Path target = path(name);
        try {
            requireFile(source);
            try {
                Files.createLink(target, source);
            } catch (FileAlreadyExistsException | NoSuchFileException e) {
                throw e;
            } catch (IOException | UnsupportedOperationException e) {
                // No links here, or no more of this file, or the disk is full, which copying tells.
                copy(source, target);
            }
        } catch (NoSuchFileException e) {
            throw failed(
                    ErrorCode.NOT_FOUND, "link " + existing + " as", target, "no such file", e);
        } catch (FileAlreadyExistsException e) {
            throw failed(ErrorCode.CONFLICT, "link " + existing + " as", target, "it exists", e);
        } catch (IOException e) {
            throw failed("link " + existing + " as", target, e);
        }
    }

    private static void requireFile(Path path) throws IOException {
        if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(path + " is a directory");
        }
    }

    /** A synced copy; nothing is there if it fails. */
    static void copy(Path source, Path target) throws IOException {
        try (FileChannel from = FileChannel.open(source, StandardOpenOption.READ);
                FileChannel to =
                        FileChannel.open(
                                target,
                                EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                                OWNER_ONLY)) {
            try {
                long size = from.size();
                for (long at = 0; at < size; ) {
                    long n = from.transferTo(at, size - at, to);
                    if (n <= 0) {
                        throw new IOException(source + " was cut short to " + at);
                    }
                    at += n;
                }
                to.force(true);
            } catch (IOException e) {
                Files.deleteIfExists(target);
                throw e;
            }
        }
    }

    @Override
    public void delete(String name) {
        Path path = path(name);
        try {
            if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
                throw new IOException("it is a directory");
            }
            Files.deleteIfExists(path);
        } catch (IOException e) {
            throw failed("delete", path, e);
        }
    }

    @Override
    public void deleteTree(String name) {
        Path path = path(name);
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try {
            Files.walkFileTree(
                    path,
                    new SimpleFileVisitor<Path>() {
                        @Override
                        public FileVisitResult visitFile(Path file, BasicFileAttributes a)
                                throws IOException {
                            Files.delete(file);
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult postVisitDirectory(
                                Path directory, @Nullable IOException e) throws IOException {
                            if (e != null) {
                                throw e;
                            }
                            Files.delete(directory);
                            return FileVisitResult.CONTINUE;
                        }
                    });
        } catch (IOException e) {
            throw failed("delete the tree", path, e);
        }
    }

    @Override
    public List<String> list(String name) {
        Path path = directory(name);
        List<String> found = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
            for (Path entry : entries) {
                found.add(String.valueOf(entry.getFileName()));
            }
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (IOException e) {
            throw failed("list", path, e);
        } catch (DirectoryIteratorException e) {
            throw failed("list", path, new IOException(e));
        }
        found.sort(null);
        return found;
    }

    @Override
    public void syncDirectory(String name) {
        Path path = directory(name);
        try {
            force(path);
        } catch (NoSuchFileException e) {
            throw failed(ErrorCode.NOT_FOUND, "sync", path, "no such directory", e);
        } catch (IOException e) {
            throw failed(ErrorCode.IO, "sync directory", path, reason(e), e);
        }
    }

    private static void force(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    static PageserverException failed(String what, Path path, IOException e) {
        ErrorCode code = DiskFull.is(e) ? ErrorCode.NO_SPACE : ErrorCode.IO;
        return failed(code, what, path, reason(e), e);
    }

    private static String reason(IOException e) {
        String why = e.getMessage();
        return why == null ? e.getClass().getSimpleName() : why;
    }

    private static PageserverException failed(
            ErrorCode code, String what, Path path, String why, IOException e) {
        return new PageserverException(code, what + " " + path + ": " + why, e);
    }

    static final class ChannelOutput implements Output {
        private final Path path;
        private final FileChannel channel;
        private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER);
        private long size;
        private boolean failed;

        ChannelOutput(Path path, FileChannel channel) {
            this.path = path;
            this.channel = channel;
        }

        @Override
        public void append(byte[] bytes, int offset, int length) {
            usable();
            int at = offset;
            int end = offset + length;
            while (at < end) {
                int n = Math.min(buffer.remaining(), end - at);
                buffer.put(bytes, at, n);
                at += n;
                if (!buffer.hasRemaining()) {
                    drain();
                }
            }
            size += length;
        }

        private void drain() {
            buffer.flip();
            try {
                while (buffer.hasRemaining()) {
                    channel.write(buffer);
                }
            } catch (IOException e) {
                failed = true;
                throw NioDisk.failed("append to", path, e);
            }
            buffer.clear();
        }

        @Override
        public long size() {
            return size;
        }

        @Override
        public void sync() {
            usable();
            drain();
            try {
                channel.force(true);
            } catch (IOException e) {
                failed = true;
                throw NioDisk.failed("sync", path, e);
            }
        }

        private void usable() {
            Check.that(!failed, "use of the output %s after it failed", path);
            Check.that(channel.isOpen(), "use of the closed output %s", path);
        }

        @Override
        public void close() {
            if (!channel.isOpen()) {
                return;
            }
            try (channel) {
                if (!failed) {
                    drain();
                }
            } catch (IOException e) {
                throw NioDisk.failed("close", path, e);
            }
        }
    }
}
