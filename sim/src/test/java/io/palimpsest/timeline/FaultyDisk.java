package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Disk;
import java.util.List;
import java.util.function.Predicate;

/** A disk on which one kind of thing goes wrong while it is told to. */
final class FaultyDisk implements Disk {
    private final Disk disk;

    /** Files that cannot be created, for lack of room. */
    volatile Predicate<String> refused = path -> false;

    /** Files whose bytes are not what was written. */
    volatile Predicate<String> damaged = path -> false;

    /** Files that cannot be read. */
    volatile Predicate<String> unreadable = path -> false;

    /** Files that cannot be synced. */
    volatile Predicate<String> unsynced = path -> false;

    FaultyDisk(Disk disk) {
        this.disk = disk;
    }

    @Override
    public Space space() {
        return disk.space();
    }

    @Override
    public Output create(String path) {
        if (refused.test(path)) {
            throw PageserverException.of(ErrorCode.NO_SPACE, "%s: no room", path);
        }
        Output out = disk.create(path);
        return new Output() {
            @Override
            public void append(byte[] bytes, int offset, int length) {
                out.append(bytes, offset, length);
            }

            @Override
            public long size() {
                return out.size();
            }

            @Override
            public void sync() {
                if (unsynced.test(path)) {
                    throw PageserverException.of(ErrorCode.IO, "%s: sync failed", path);
                }
                out.sync();
            }

            @Override
            public void close() {
                out.close();
            }
        };
    }

    @Override
    public Input open(String path) {
        Input in = disk.open(path);
        return new Input() {
            @Override
            public long size() {
                return in.size();
            }

            @Override
            public void read(long position, byte[] into, int offset, int length) {
                if (unreadable.test(path)) {
                    throw PageserverException.of(ErrorCode.IO, "%s: cannot be read", path);
                }
                in.read(position, into, offset, length);
                if (damaged.test(path) && length > 30) {
                    into[offset + length / 2] ^= 4;
                }
            }

            @Override
            public boolean tryRead(long position, byte[] into, int offset, int length) {
                return !damaged.test(path)
                        && !unreadable.test(path)
                        && in.tryRead(position, into, offset, length);
            }

            @Override
            public void close() {
                in.close();
            }
        };
    }

    @Override
    public void createDirectories(String directory) {
        disk.createDirectories(directory);
    }

    @Override
    public boolean exists(String path) {
        return disk.exists(path);
    }

    @Override
    public void rename(String from, String to) {
        disk.rename(from, to);
    }

    @Override
    public void link(String existing, String name) {
        disk.link(existing, name);
    }

    @Override
    public void delete(String path) {
        disk.delete(path);
    }

    @Override
    public void deleteTree(String directory) {
        disk.deleteTree(directory);
    }

    @Override
    public List<String> list(String directory) {
        return disk.list(directory);
    }

    @Override
    public void syncDirectory(String directory) {
        disk.syncDirectory(directory);
    }
}
