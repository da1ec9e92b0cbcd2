package io.palimpsest.regress;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;

import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The relation files and SLRUs of a data directory whose server was stopped cleanly, or of a copy
 * of one. Symbolic links of tablespaces are followed in the original; a copy has plain directories.
 */
final class DataDirectory {
    private static final Pattern RELATION =
            Pattern.compile("(\\d+)(?:_(fsm|vm|init))?(?:\\.(\\d+))?");
    private static final Pattern TEMPORARY = Pattern.compile("t\\d+_\\d+.*");
    private static final int SHUT_DOWN = 1;
    private static final int SHUT_DOWN_IN_RECOVERY = 2;
    private static final int BLOCKS_PER_FILE = 131072;
    private static final List<String> COPIED =
            List.of("base", "global", "pg_tblspc", "pg_xact", "pg_multixact", "pg_commit_ts");

    static final Comparator<RelTag> ORDER =
            Comparator.<RelTag>comparingLong(t -> Integer.toUnsignedLong(t.spc()))
                    .thenComparingLong(t -> Integer.toUnsignedLong(t.db()))
                    .thenComparingLong(t -> Integer.toUnsignedLong(t.rel()))
                    .thenComparingInt(RelTag::fork);

    private final Path root;
    private final byte[] control;
    private final Map<RelTag, TreeMap<Integer, Path>> forks = new TreeMap<>(ORDER);
    private long temporaryPages;

    private DataDirectory(Path root) throws IOException {
        this.root = root;
        this.control = Files.readAllBytes(root.resolve("global/pg_control"));
    }

    /** Refuses one that was not shut down cleanly. */
    static DataDirectory open(Path root) {
        return open(root, SHUT_DOWN);
    }

    private static DataDirectory open(Path root, int state) {
        try {
            DataDirectory directory = new DataDirectory(root);
            if (i32(directory.control, 16) != state) {
                throw new IllegalStateException(
                        root + " was not shut down: state " + i32(directory.control, 16));
            }
            directory.scan();
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Copies what a comparison needs, sharing blocks with the original where the disk can. */
    static DataDirectory copy(Path from, Path to) {
        return copy(from, to, SHUT_DOWN);
    }

    /** The same of a standby. */
    static DataDirectory copyOfStandby(Path from, Path to) {
        return copy(from, to, SHUT_DOWN_IN_RECOVERY);
    }

    private static DataDirectory copy(Path from, Path to, int state) {
        try {
            Files.createDirectories(to);
            for (String name : COPIED) {
                if (Files.exists(from.resolve(name))) {
                    copyTree(from.resolve(name), to.resolve(name));
                }
            }
            return open(to, state);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void copyTree(Path from, Path to) throws IOException {
        Process cp =
                new ProcessBuilder("cp", "-RL", "--reflink=auto", from.toString(), to.toString())
                        .inheritIO()
                        .start();
        try {
            if (cp.waitFor() != 0) {
                throw new IOException("copying " + from + " to " + to + " failed");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while copying " + from, e);
        }
    }

    private void scan() throws IOException {
        scanFiles(root.resolve("global"), RelTag.GLOBAL_TABLESPACE, 0);
        scanTablespace(root.resolve("base"), RelTag.DEFAULT_TABLESPACE);
        for (Path tablespace : list(root.resolve("pg_tblspc"))) {
            for (Path version : list(tablespace)) {
                scanTablespace(
                        version, Integer.parseUnsignedInt(tablespace.getFileName().toString()));
            }
        }
    }

    private void scanTablespace(Path databases, int spc) throws IOException {
        for (Path database : list(databases)) {
            String name = database.getFileName().toString();
            if (name.chars().allMatch(Character::isDigit)) {
                scanFiles(database, spc, Integer.parseUnsignedInt(name));
            }
        }
    }

    private void scanFiles(Path directory, int spc, int db) throws IOException {
        for (Path file : list(directory)) {
            String name = file.getFileName().toString();
            Matcher relation = RELATION.matcher(name);
            if (relation.matches()) {
                int fork =
                        switch (relation.group(2)) {
                            case null -> RelTag.MAIN;
                            case "fsm" -> RelTag.FSM;
                            case "vm" -> RelTag.VM;
                            default -> RelTag.INIT;
                        };
                int rel = Integer.parseUnsignedInt(relation.group(1));
                int part = relation.group(3) == null ? 0 : Integer.parseInt(relation.group(3));
                forks.computeIfAbsent(new RelTag(spc, db, rel, fork), t -> new TreeMap<>())
                        .put(part, file);
            } else if (TEMPORARY.matcher(name).matches()) {
                temporaryPages += Files.size(file) / Page.SIZE;
            }
        }
    }

    private static List<Path> list(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.sorted().toList();
        }
    }

    /** Pages of temporary relations that were left lying about. */
    long temporaryPages() {
        return temporaryPages;
    }

    /** All forks with their number of blocks, in {@link #ORDER}. */
    List<PageSource.Fork> forks() {
        List<PageSource.Fork> all = new ArrayList<>();
        forks.forEach((tag, files) -> all.add(new PageSource.Fork(tag, blocks(files))));
        return all;
    }

    boolean has(RelTag tag) {
        return forks.containsKey(tag);
    }

    private static int blocks(NavigableMap<Integer, Path> files) {
        try {
            Map.Entry<Integer, Path> last = files.lastEntry();
            long bytes = Files.size(last.getValue());
            if (bytes % Page.SIZE != 0) {
                throw new IllegalStateException(
                        last.getValue() + " has " + bytes + " bytes, not whole pages");
            }
            return last.getKey() * BLOCKS_PER_FILE + (int) (bytes / Page.SIZE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** {@code count} pages from block {@code first} on, one after the other. */
    byte[] read(RelTag tag, int first, int count) {
        TreeMap<Integer, Path> files = forks.get(tag);
        if (files == null) {
            throw new IllegalStateException("no file of " + tag);
        }
        byte[] pages = new byte[count * Page.SIZE];
        int done = 0;
        while (done < count) {
            int block = first + done;
            int within = Math.min(count - done, BLOCKS_PER_FILE - block % BLOCKS_PER_FILE);
            Path file = files.get(block / BLOCKS_PER_FILE);
            if (file == null) {
                throw new IllegalStateException("no file of " + tag + " for block " + block);
            }
            readFully(
                    file,
                    (long) (block % BLOCKS_PER_FILE) * Page.SIZE,
                    ByteBuffer.wrap(pages, done * Page.SIZE, within * Page.SIZE));
            done += within;
        }
        return pages;
    }

    private static void readFully(Path file, long position, ByteBuffer into) {
        try (FileChannel channel = FileChannel.open(file)) {
            long at = position;
            while (into.hasRemaining()) {
                int n = channel.read(into, at);
                if (n < 0) {
                    throw new IOException(file + " ends before byte " + (at + into.remaining()));
                }
                at += n;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Segments of an SLRU with their contents, by number. */
    Map<Integer, byte[]> slru(Slru slru) {
        try {
            Map<Integer, byte[]> segments = new TreeMap<>(Integer::compareUnsigned);
            for (Path file : list(root.resolve(slru.directory()))) {
                segments.put(
                        (int) Long.parseLong(file.getFileName().toString(), 16),
                        Files.readAllBytes(file));
            }
            return segments;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The first multixact not yet given out, from the shutdown checkpoint. */
    int nextMulti() {
        return i32(control, 40 + 36);
    }

    /** End of the shutdown checkpoint's record: the LSN this directory is the state at. */
    long lsn() {
        return recordEnd(i64(control, 32), 114, i32(control, 228));
    }

    /**
     * Where a record ends that starts at {@code start} and is {@code length} bytes long: page
     * headers in between are 24 bytes, 40 at the start of a segment; records end on multiples of 8.
     */
    static long recordEnd(long start, int length, int segmentSize) {
        long at = start;
        int remaining = length;
        while (true) {
            int room = (int) (Page.SIZE - at % Page.SIZE);
            if (remaining <= room) {
                return at + remaining + 7 & ~7L;
            }
            remaining -= room;
            at += room;
            at += at % segmentSize == 0 ? 40 : 24;
        }
    }
}
