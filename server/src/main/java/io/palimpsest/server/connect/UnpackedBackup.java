package io.palimpsest.server.connect;

import io.palimpsest.base.PageserverException;
import io.palimpsest.protocol.TarEntry;
import io.palimpsest.protocol.TarReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The archive of a base backup becoming a data directory. Nothing is written outside of the two
 * directories, nothing is overwritten, links are refused: an archive is not trusted. Files are not
 * synced.
 *
 * <pre>
 *   data/...                        as in the archive
 *   tablespaces/OID/...             what the archive has below pg_tblspc/OID; data/pg_tblspc/OID is a link to it
 * </pre>
 */
public final class UnpackedBackup implements TarReader.Visitor, AutoCloseable {
    private static final FileAttribute<?> PRIVATE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
    private static final FileAttribute<?> PRIVATE_FILE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final Set<StandardOpenOption> NEW =
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    private static final String TABLESPACES = "pg_tblspc/";

    private final Path data;
    private final Path tablespaces;
    private final TarReader reader = new TarReader(this);
    private @Nullable WritableByteChannel file;
    private @Nullable Path lastParent;
    private long bytes;
    private int files;

    /**
     * @param data is made; must not be there
     * @param tablespaces is made where there is any
     */
    public UnpackedBackup(Path data, Path tablespaces) {
        this.data = data;
        this.tablespaces = tablespaces;
        try {
            Files.createDirectory(data, PRIVATE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Takes the next bytes of the archive. */
    public void push(byte[] chunk, int offset, int length) {
        reader.push(chunk, offset, length);
        bytes += length;
    }

    /** The archive is over; CORRUPTION if it is not whole. */
    public void finish() {
        reader.finish();
        if (!Files.exists(data.resolve("global/pg_control"))) {
            throw PageserverException.corruption("the base backup has no global/pg_control");
        }
    }

    /** Bytes of the archive so far. */
    public long bytes() {
        return bytes;
    }

    public int files() {
        return files;
    }

    @Override
    public void entry(TarEntry entry) {
        Path path = data.resolve(entry.name());
        try {
            switch (entry.type()) {
                case DIRECTORY -> directory(entry.name(), path);
                case FILE -> {
                    parent(path);
                    file = Files.newByteChannel(path, NEW, PRIVATE_FILE);
                    files++;
                }
                case SYMBOLIC_LINK, HARD_LINK ->
                        throw PageserverException.badRequest(
                                "%s: found a link, expected files and directories", entry.name());
            }
        } catch (FileAlreadyExistsException e) {
            throw PageserverException.badRequest("%s comes twice", entry.name());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Files of one directory mostly follow each other. */
    private void parent(Path path) throws IOException {
        Path parent = Objects.requireNonNull(path.getParent());
        if (!parent.equals(lastParent)) {
            Files.createDirectories(parent, PRIVATE);
            lastParent = parent;
        }
    }

    private void directory(String name, Path path) throws IOException {
        String oid = name.startsWith(TABLESPACES) ? name.substring(TABLESPACES.length()) : "";
        if (oid.isEmpty() || oid.indexOf('/') >= 0) {
            Files.createDirectories(path, PRIVATE);
            return;
        }
        Path place = tablespaces.resolve(oid);
        Files.createDirectories(place, PRIVATE);
        Files.createSymbolicLink(path, place.toAbsolutePath());
    }

    @Override
    public void content(byte[] chunk, int offset, int length) {
        try {
            WritableByteChannel to = open();
            ByteBuffer bytes = ByteBuffer.wrap(chunk, offset, length);
            while (bytes.hasRemaining()) {
                to.write(bytes);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void entryEnd() {
        close();
    }

    private WritableByteChannel open() {
        WritableByteChannel open = file;
        if (open == null) {
            throw new IllegalStateException("content outside of a file");
        }
        return open;
    }

    /** Closes the file that is being written, if any. */
    @Override
    public void close() {
        WritableByteChannel open = file;
        file = null;
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
