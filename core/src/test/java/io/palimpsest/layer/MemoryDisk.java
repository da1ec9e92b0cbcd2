package io.palimpsest.layer;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Disk;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;

/** Files in memory, without any of a disk's failures; what layer files need and no more. */
public final class MemoryDisk implements Disk {
    public final TreeMap<String, byte[]> files = new TreeMap<>();

    /** While positive, each tryRead counts it down and fails. */
    int refusals;

    int open;

    /** Is told of each read. */
    Reads onRead = (path, position, length) -> {};

    interface Reads {
        void read(String path, long position, int length);
    }

    @Override
    public Space space() {
        return new Space(Long.MAX_VALUE, Long.MAX_VALUE);
    }

    @Override
    public Output create(String path) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        return new Output() {
            @Override
            public void append(byte[] b, int offset, int length) {
                bytes.write(b, offset, length);
            }

            @Override
            public long size() {
                return bytes.size();
            }

            @Override
            public void sync() {
                files.put(path, bytes.toByteArray());
            }

            @Override
            public void close() {
                files.put(path, bytes.toByteArray());
            }
        };
    }

    @Override
    public Input open(String path) {
        byte[] content = files.get(path);
        if (content == null) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "%s", path);
        }
        open++;
        return new Input() {
            @Override
            public long size() {
                return content.length;
            }

            @Override
            public void read(long position, byte[] into, int offset, int length) {
                onRead.read(path, position, length);
                if (position + length > content.length) {
                    throw PageserverException.of(
                            ErrorCode.IO, "%s: read past the end at %d", path, position);
                }
                System.arraycopy(content, (int) position, into, offset, length);
            }

            @Override
            public boolean tryRead(long position, byte[] into, int offset, int length) {
                if (refusals > 0) {
                    refusals--;
                    Arrays.fill(into, offset, offset + length, (byte) 0x55);
                    return false;
                }
                read(position, into, offset, length);
                return true;
            }

            @Override
            public void close() {
                open--;
            }
        };
    }

    @Override
    public boolean exists(String path) {
        return files.containsKey(path);
    }

    @Override
    public void createDirectories(String directory) {}

    @Override
    public void rename(String from, String to) {
        files.put(to, files.remove(from));
    }

    @Override
    public void link(String existing, String name) {
        files.put(name, files.get(existing));
    }

    @Override
    public void delete(String path) {
        files.remove(path);
    }

    @Override
    public void deleteTree(String directory) {
        files.clear();
    }

    @Override
    public List<String> list(String directory) {
        return new ArrayList<>(files.keySet());
    }

    @Override
    public void syncDirectory(String directory) {}
}
