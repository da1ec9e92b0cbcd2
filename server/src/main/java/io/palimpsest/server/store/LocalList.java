package io.palimpsest.server.store;

import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Entry;
import io.palimpsest.port.ObjectStore.Listing;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** One page of a list of a directory tree. */
final class LocalList {
    private final String prefix;
    private final boolean recursive;
    private final int limit;
    private final String after;
    private final List<Entry> objects = new ArrayList<>();
    private final List<String> directories = new ArrayList<>();
    private int foreign;
    private String last;
    private @Nullable String next;

    /**
     * @param after the last name of the page before, "" for the first
     */
    LocalList(String prefix, boolean recursive, int limit, String after) {
        this.prefix = prefix;
        this.recursive = recursive;
        this.limit = limit;
        this.after = after;
        this.last = after;
    }

    Listing listing() {
        return new Listing(objects, directories, foreign, next);
    }

    /**
     * Takes what belongs to the page of the directory and what is below it.
     *
     * @param above the directory's keys start so: "" or ending in '/'
     */
    void walk(Path directory, String above) throws IOException {
        // A directory's name sorts as its keys do, with the '/'.
        TreeMap<String, Path> names = new TreeMap<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) {
                String key = above + entry.getFileName();
                if (Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS)) {
                    key += "/";
                }
                // Those that continue the prefix, and the directory that the prefix is in.
                if (key.startsWith(prefix) || prefix.startsWith(key)) {
                    names.put(key, entry);
                }
            }
        }
        for (var e : names.entrySet()) {
            if (next != null) {
                return;
            }
            take(e.getKey(), e.getValue());
        }
    }

    private void take(String key, Path path) throws IOException {
        boolean directory = key.endsWith("/");
        String name = directory ? key.substring(0, key.length() - 1) : key;
        if (!ObjectStore.isKey(name)) {
            // The store's own begin with a dot, at the top.
            foreign += name.startsWith(".") && name.indexOf('/') < 0 ? 0 : 1;
            return;
        }
        try {
            if (directory && recursive) {
                if (key.compareTo(after) > 0 || after.startsWith(key)) {
                    walk(path, key);
                }
            } else if (key.compareTo(after) <= 0) {
                return;
            } else if (directory) {
                if (holdsAny(path) && roomFor(key)) {
                    directories.add(key);
                }
            } else {
                file(key, path);
            }
        } catch (NoSuchFileException | NotDirectoryException e) {
            // gone meanwhile
        }
    }

    private void file(String key, Path path) throws IOException {
        BasicFileAttributes attributes =
                Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        if (!attributes.isRegularFile()) {
            foreign++;
        } else if (roomFor(key)) {
            objects.add(
                    new Entry(
                            key,
                            Math.max(0, attributes.size() - LocalTrailer.SIZE),
                            attributes.lastModifiedTime().toMillis()));
        }
    }

    private boolean roomFor(String name) {
        if (objects.size() + directories.size() == limit) {
            next = last;
            return false;
        }
        last = name;
        return true;
    }

    /** A directory without objects is none of the list: it is made for one, or about to go. */
    private static boolean holdsAny(Path directory) throws IOException {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) {
                if (!Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS) || holdsAny(entry)) {
                    return true;
                }
            }
        }
        return false;
    }
}
