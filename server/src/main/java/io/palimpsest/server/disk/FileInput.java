package io.palimpsest.server.disk;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Disk;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A file that does not change any more, read from a mapping of it, or by its channel where that is
 * better:
 *
 * <ul>
 *   <li>the first few reads: a file that is opened, read once and closed is not worth a mapping,
 *       whose removal asks every thread of the process;
 *   <li>a virtual thread's read of bytes that are not in memory: a page fault would hold up the
 *       thread that carries it, while the runtime makes up for a channel's read;
 *   <li>every read, if the file cannot be mapped (the system has a limit of mappings).
 * </ul>
 */
final class FileInput implements Disk.Input {
    /** What opening a layer file takes, and one more. */
    private static final int READS_BEFORE_MAPPING = 4;

    private record Mapping(Arena arena, MemorySegment bytes, Residency residency) {
        static Mapping of(Arena arena, MemorySegment bytes) {
            return new Mapping(
                    arena,
                    bytes,
                    new Residency(
                            (position, length) -> bytes.asSlice(position, length).isLoaded(),
                            bytes.byteSize(),
                            System.nanoTime()));
        }

        boolean resident(long position, int length) {
            return residency.inMemory(position, length, System.nanoTime());
        }
    }

    private final Path path;
    private final FileChannel channel;
    private final long size;
    private volatile @Nullable Mapping mapping;
    private volatile boolean unmappable;

    /** A hint; losing an update delays the mapping. */
    private int reads;

    FileInput(Path path, FileChannel channel) throws IOException {
        this.path = path;
        this.channel = channel;
        size = channel.size();
        unmappable = size == 0;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public void read(long position, byte[] into, int offset, int length) {
        check(position, length);
        Mapping m = mapping;
        if (m == null && !unmappable && ++reads >= READS_BEFORE_MAPPING) {
            m = map();
        }
        if (m != null && (!Thread.currentThread().isVirtual() || m.resident(position, length))) {
            copy(m, position, into, offset, length);
        } else {
            readByChannel(position, into, offset, length);
        }
    }

    @Override
    public boolean tryRead(long position, byte[] into, int offset, int length) {
        check(position, length);
        Mapping m = mapping;
        if (m == null && !unmappable) {
            m = map();
        }
        if (m == null || !m.resident(position, length)) {
            return false;
        }
        copy(m, position, into, offset, length);
        return true;
    }

    private void check(long position, int length) {
        requireOpen();
        if (position < 0 || length > size - position) {
            throw tooShort(position, length, size);
        }
    }

    private void requireOpen() {
        Check.that(channel.isOpen(), "read of the closed input %s", path);
    }

    @SuppressWarnings("MustBeClosedChecker") // close() closes it
    private synchronized @Nullable Mapping map() {
        Mapping m = mapping;
        if (m != null || unmappable || !channel.isOpen()) {
            return m;
        }
        Arena arena = Arena.ofShared();
        try {
            m = Mapping.of(arena, channel.map(MapMode.READ_ONLY, 0, size, arena));
            mapping = m;
            return m;
        } catch (IOException | OutOfMemoryError e) {
            // The file has shrunk, or there are no more mappings to be had.
            unmappable = true;
            arena.close();
            return null;
        }
    }

    /**
     * Where the file has been cut short, or the disk fails, the copy ends in a fault. The virtual
     * machine reports it by an InternalError, not from the access itself but from where the thread
     * looks up next, which in compiled code may be far outside of this method. A native method's
     * return is such a place, and comes before the end of the block.
     */
    private void copy(Mapping m, long position, byte[] into, int offset, int length) {
        try {
            MemorySegment.copy(m.bytes, ValueLayout.JAVA_BYTE, position, into, offset, length);
            boolean _ = Thread.holdsLock(this);
        } catch (InternalError e) {
            throw new PageserverException(
                    ErrorCode.IO,
                    "read "
                            + path
                            + ": expected "
                            + length
                            + " bytes at "
                            + position
                            + ", found none: the file was cut short, or the disk failed ("
                            + e.getMessage()
                            + ")",
                    e);
        } catch (IllegalStateException e) {
            requireOpen();
            throw e;
        }
    }

    private void readByChannel(long position, byte[] into, int offset, int length) {
        ByteBuffer target = ByteBuffer.wrap(into, offset, length);
        try {
            while (target.hasRemaining()) {
                int done = target.position() - offset;
                if (channel.read(target, position + done) < 0) {
                    throw tooShort(position, length, position + done);
                }
            }
        } catch (IOException e) {
            throw NioDisk.failed("read", path, e);
        }
    }

    private PageserverException tooShort(long position, int length, long end) {
        return PageserverException.of(
                ErrorCode.IO,
                "read %s: expected %d bytes at %d, found a file of %d",
                path,
                length,
                position,
                end);
    }

    @Override
    public synchronized void close() {
        if (!channel.isOpen()) {
            return;
        }
        try {
            channel.close();
        } catch (IOException e) {
            throw NioDisk.failed("close", path, e);
        } finally {
            Mapping m = mapping;
            if (m != null) {
                m.arena.close();
            }
        }
    }
}
