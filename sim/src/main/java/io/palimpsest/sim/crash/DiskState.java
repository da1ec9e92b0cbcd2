package io.palimpsest.sim.crash;

import io.palimpsest.base.Bytes;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What is on a disk: files and directories by path. Immutable. */
final class DiskState {
    static final DiskState EMPTY = new DiskState(new TreeMap<>(), new TreeSet<>());

    /** A finished file. Two with the same hash are taken to be equal. */
    static final class Content {
        final byte[] bytes;
        final long hash;

        Content(byte[] bytes) {
            this.bytes = bytes;
            long h = bytes.length;
            int at = 0;
            for (; at + 8 <= bytes.length; at += 8) {
                h = (h ^ Bytes.i64(bytes, at)) * 0xD6E8FEB86659FD93L;
                h ^= h >>> 32;
            }
            for (; at < bytes.length; at++) {
                h = (h ^ bytes[at]) * 0x100000001B3L;
            }
            hash = mix(h);
        }
    }

    private final SortedMap<String, Content> files;
    private final SortedSet<String> directories;
    private final long hash;

    DiskState(SortedMap<String, Content> files, SortedSet<String> directories) {
        this.files = Collections.unmodifiableSortedMap(files);
        this.directories = Collections.unmodifiableSortedSet(directories);
        long h = 1;
        for (Map.Entry<String, Content> e : files.entrySet()) {
            h = mix(h ^ e.getKey().hashCode()) + e.getValue().hash;
        }
        for (String directory : directories) {
            h = mix(h ^ directory.hashCode());
        }
        hash = mix(h);
    }

    static long mix(long h) {
        h = (h ^ h >>> 30) * 0xBF58476D1CE4E5B9L;
        h = (h ^ h >>> 27) * 0x94D049BB133111EBL;
        return h ^ h >>> 31;
    }

    SortedMap<String, Content> files() {
        return files;
    }

    SortedSet<String> directories() {
        return directories;
    }

    /** Paths of all files, in order. */
    Set<String> paths() {
        return files.keySet();
    }

    @Nullable Content file(String path) {
        return files.get(path);
    }

    long hash() {
        return hash;
    }
}
