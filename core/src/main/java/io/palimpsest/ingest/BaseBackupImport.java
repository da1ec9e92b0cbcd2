package io.palimpsest.ingest;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageChecksum;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.RelationFile;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.Xid;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Turns the files of a base backup, or of a data directory that was shut down, into values at one
 * LSN. Files come in any order, each as {@link #file}, its bytes in pieces as {@link #content},
 * {@link #endFile}; after the last one {@link #finish}.
 *
 * <p>Paths are relative to the data directory. Files of an archive that a base backup sends for one
 * tablespace go by {@code pg_tblspc/<oid>/} and their name in that archive.
 *
 * <p>Taken: relation files with all their forks, pg_filenode.map, PG_VERSION, pg_xact,
 * pg_multixact, pg_commit_ts, pg_twophase, global/pg_control, backup_label, tablespace_map. All
 * other files are ignored: temporary relations, caches, WAL, configuration, files of other versions
 * in a tablespace.
 *
 * <p>Pages may be torn or from after the backup's start; WAL up to its end mends them, so nothing
 * may be read below that. For the same reason a relation file whose length is not a multiple of a
 * page (it was being extended) is cut at the last whole page, as PostgreSQL does, and a segment
 * that is shorter than 1 GiB is the relation's last one, whatever comes after it.
 */
public final class BaseBackupImport {
    /** Takes what was imported so far. It is cleared afterwards. */
    public interface Sink {
        void commit(Modifications batch);
    }

    /** What the backup says of itself. {@code label} is null in a directory that was shut down. */
    public record Result(ControlFile control, @Nullable BackupLabel label) {}

    private static final int BATCH_BYTES = 8 << 20;

    /** Prepared transactions wait for the control file: bytes of their state at most. */
    private static final int MAX_WAITING_BYTES = 256 << 20;

    /** Files that are read as a whole may have this many bytes; two-phase state is the longest. */
    private static final int MAX_SMALL_BYTES = 64 << 20;

    /** Pages with a wrong checksum that are named. */
    private static final int NAMED = 5;

    private static final byte[] PRESENT = {1};

    private record Prepared(BackupFile.TwoPhase name, byte[] state) {}

    private final PgVersion version;
    private final long lsn;
    private final Sink sink;
    private final boolean checksums;
    private final Modifications out = new Modifications();
    private final byte[] page = new byte[Page.SIZE];
    private final ByteSink small = new ByteSink(Page.SIZE);

    /** Blocks of each segment of the forks that have more than one, by the key of the size. */
    private final TreeMap<Key, TreeMap<Integer, Integer>> segments = new TreeMap<>();

    /** First pages of the files there were: none may come twice. */
    private final TreeSet<Key> seen = new TreeSet<>();

    private final TreeMap<Integer, String> tablespaces = new TreeMap<>();

    /** Tablespaces that there are files of. */
    private final TreeSet<Integer> inUse = new TreeSet<>();

    private final List<String> wrong = new ArrayList<>();
    private long wrongPages;
    private final List<Prepared> prepared = new ArrayList<>();
    private int preparedBytes;
    private @Nullable ControlFile control;
    private @Nullable BackupLabel label;
    private boolean finished;

    private String path = "";
    private long size = -1;
    private long received;
    private BackupFile kind = new BackupFile.Other();
    private int pageFill;
    private long pages;

    /** Key of the file's first page; null if it has none that are imported. */
    private @Nullable Key firstPage;

    /**
     * @param lsn the backup's start LSN; for a directory that was shut down the LSN from which its
     *     WAL goes on
     */
    public BaseBackupImport(PgVersion version, long lsn, Sink sink) {
        this(version, lsn, sink, false);
    }

    /**
     * The same.
     *
     * @param checksums are those of pages compared, if the cluster has them? Who takes the backup
     *     by BASE_BACKUP has that done by the server
     */
    public BaseBackupImport(PgVersion version, long lsn, Sink sink, boolean checksums) {
        Check.that(lsn != 0, "import at LSN %d", lsn);
        this.checksums = checksums;
        this.version = version;
        this.lsn = lsn;
        this.sink = sink;
    }

    /**
     * A tablespace, as the base backup's list of them or a symbolic link in pg_tblspc names it. The
     * first location given counts; tablespace_map may name it again.
     */
    public void tablespace(int oid, String location) {
        if (location.isEmpty()) {
            throw PageserverException.badRequest(
                    "tablespace %s has no location", Integer.toUnsignedString(oid));
        }
        tablespaces.putIfAbsent(oid, location);
    }

    /** Starts a regular file. */
    public void file(String name, long bytes) {
        Check.that(size < 0 && !finished, "file %s before the end of %s", name, path);
        if (bytes < 0) {
            throw PageserverException.badRequest("%s: %d bytes", name, bytes);
        }
        path = name.startsWith("./") ? name.substring(2) : name;
        size = bytes;
        received = 0;
        pages = 0;
        pageFill = 0;
        small.clear();
        kind = BackupFile.of(path, version);
        if (path.substring(path.lastIndexOf('/') + 1).startsWith("INCREMENTAL.")) {
            throw incremental(path);
        }
        firstPage =
                switch (kind) {
                    case BackupFile.Relation f -> {
                        atMost((long) RelationFile.BLOCKS_PER_SEGMENT * Page.SIZE);
                        inUse.add(f.tag().spc());
                        yield Keys.block(f.tag(), f.segment() * RelationFile.BLOCKS_PER_SEGMENT);
                    }
                    case BackupFile.SlruSegment f -> {
                        atMost((long) Slru.PAGES_PER_SEGMENT * Page.SIZE);
                        yield Keys.slruPage(f.slru(), f.segment() * Slru.PAGES_PER_SEGMENT);
                    }
                    case BackupFile.Other _ -> null;
                    default -> {
                        atMost(MAX_SMALL_BYTES);
                        yield null;
                    }
                };
        if (firstPage != null && !seen.add(firstPage)) {
            throw PageserverException.badRequest("%s comes twice", path);
        }
    }

    static PageserverException incremental(String found) {
        return PageserverException.badRequest(
                "%s: this is an incremental backup; make a full one of it and those before it by pg_combinebackup, and import that",
                found);
    }

    private void atMost(long bytes) {
        if (size > bytes) {
            throw PageserverException.badRequest(
                    "%s: %d bytes, expected at most %d", path, size, bytes);
        }
    }

    /** The next bytes of the file. */
    public void content(byte[] b, int offset, int length) {
        Check.that(size >= 0, "%d bytes outside a file", length);
        if (length > size - received) {
            throw PageserverException.badRequest(
                    "%s: more than the %d bytes announced", path, size);
        }
        received += length;
        if (firstPage != null) {
            takePages(firstPage, b, offset, length);
        } else if (!(kind instanceof BackupFile.Other)) {
            small.bytes(b, offset, length);
        }
    }

    private void takePages(Key first, byte[] b, int offset, int length) {
        int at = offset;
        int end = offset + length;
        while (at < end) {
            if (pageFill == 0 && end - at >= Page.SIZE) {
                addPage(first, b, at);
                at += Page.SIZE;
                continue;
            }
            int n = Math.min(Page.SIZE - pageFill, end - at);
            System.arraycopy(b, at, page, pageFill, n);
            at += n;
            pageFill += n;
            if (pageFill == Page.SIZE) {
                addPage(first, page, 0);
                pageFill = 0;
            }
        }
    }

    private void addPage(Key first, byte[] b, int at) {
        out.begin(first.hi(), first.mid(), first.lo() + pages, lsn);
        if (isZero(b, at)) {
            out.out().u8(StoredValue.IMAGE);
        } else {
            StoredValue.image(out.out(), b, at, Page.SIZE);
            verify(b, at);
        }
        out.end();
        pages++;
        if (out.bytes() >= BATCH_BYTES || out.count() >= BATCH_BYTES / 64) {
            flush();
        }
    }

    /** Pages that are newer than the backup's start may be torn: WAL has them whole. */
    private void verify(byte[] b, int at) {
        if (!checksums
                || !(kind instanceof BackupFile.Relation f)
                || Page.isNew(b, at)
                || Long.compareUnsigned(Page.lsn(b, at), lsn) >= 0) {
            return;
        }
        int block = f.segment() * RelationFile.BLOCKS_PER_SEGMENT + (int) pages;
        int expected = PageChecksum.of(b, at, block);
        int found = Bytes.u16(b, at + PageChecksum.OFFSET);
        if (expected != found) {
            if (wrongPages++ < NAMED) {
                wrong.add(
                        String.format(
                                Locale.ROOT,
                                "%s block %d (%04X, expected %04X)",
                                path,
                                pages,
                                found,
                                expected));
            }
        }
    }

    private static boolean isZero(byte[] b, int at) {
        for (int i = at; i < at + Page.SIZE; i += 8) {
            if (Bytes.i64(b, i) != 0) {
                return false;
            }
        }
        return true;
    }

    private void flush() {
        if (out.count() > 0) {
            sink.commit(out);
            out.clear();
        }
    }

    /** Ends the file; it must be complete. */
    public void endFile() {
        Check.that(size >= 0, "end of no file, %d before", received);
        if (received != size) {
            throw PageserverException.badRequest(
                    "%s: expected %d bytes, found %d", path, size, received);
        }
        size = -1;
        switch (kind) {
            case BackupFile.Relation f -> endSegment(f);
            case BackupFile.SlruSegment f -> size(Keys.slruSize(f.slru(), f.segment()), pages);
            case BackupFile.RelationMap f -> takeRelationMap(f, small.toByteArray());
            case BackupFile.Version f -> takeVersion(f, small.toByteArray());
            case BackupFile.TwoPhase f -> takePrepared(f, small.toByteArray());
            case BackupFile.Single.CONTROL ->
                    control = ControlFile.parse(small.toByteArray(), version);
            case BackupFile.Single.LABEL -> label = BackupLabel.parse(small.toByteArray());
            case BackupFile.Single.TABLESPACE_MAP ->
                    tablespaceMap(new String(small.toByteArray(), StandardCharsets.UTF_8));
            case BackupFile.Other _ -> {}
        }
    }

    private void endSegment(BackupFile.Relation f) {
        Key key = Keys.relationSize(f.tag());
        if (f.segment() == 0 && pages < RelationFile.BLOCKS_PER_SEGMENT) {
            size(key, pages);
        } else {
            segments.computeIfAbsent(key, _ -> new TreeMap<>()).put(f.segment(), (int) pages);
        }
    }

    private void size(Key key, long blocks) {
        out.begin(key.hi(), key.mid(), key.lo(), lsn);
        out.out().u8(StoredValue.IMAGE);
        out.out().i32((int) blocks);
        out.end();
    }

    private void takeVersion(BackupFile.Version f, byte[] b) {
        String found = new String(b, StandardCharsets.UTF_8).strip();
        if (!found.equals(Integer.toString(version.major()))) {
            throw PageserverException.badRequest(
                    "%s: expected %d, found '%s'", path, version.major(), found);
        }
        if (f.db() != 0) {
            out.image(Keys.database(f.spc(), f.db()), lsn, PRESENT);
        }
    }

    private void takeRelationMap(BackupFile.RelationMap f, byte[] b) {
        if (b.length != version.relmapBytes()) {
            throw PageserverException.corruption(
                    "%s: expected %d bytes, found %d", path, version.relmapBytes(), b.length);
        }
        out.image(Keys.relmap(f.spc(), f.db()), lsn, b);
    }

    /** A CRC follows the state; WAL has the state alone, and so is it stored. */
    private void takePrepared(BackupFile.TwoPhase f, byte[] b) {
        if (b.length < 68) {
            throw PageserverException.corruption(
                    "%s: expected at least 68 bytes, found %d", path, b.length);
        }
        preparedBytes += b.length;
        if (preparedBytes > MAX_WAITING_BYTES) {
            throw PageserverException.badRequest(
                    "pg_twophase: expected at most %d bytes", MAX_WAITING_BYTES);
        }
        prepared.add(new Prepared(f, Arrays.copyOf(b, b.length - 4)));
    }

    /** Lines of {@code oid path}; a backslash precedes line breaks and backslashes of the path. */
    private void tablespaceMap(String text) {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '\\' && i + 1 < text.length()) {
                line.append(text.charAt(++i));
            } else if (c != '\n' && c != '\r') {
                line.append(c);
            } else if (!line.isEmpty()) {
                tablespaceLine(line.toString());
                line.setLength(0);
            }
        }
        if (!line.isEmpty()) {
            tablespaceLine(line.toString());
        }
    }

    private void tablespaceLine(String line) {
        int space = line.indexOf(' ');
        int oid = space < 0 ? 0 : RelationFile.number(line.substring(0, space));
        if (oid == 0) {
            throw PageserverException.corruption(
                    "tablespace_map: expected 'oid path', found '%s'", line);
        }
        tablespace(oid, line.substring(space + 1));
    }

    /**
     * All files were given: writes what depends on several of them, and the last batch.
     *
     * @throws PageserverException BAD_REQUEST if there was no pg_control, if backup_label starts
     *     elsewhere, or if without one the cluster was not shut down; CORRUPTION if checksums are
     *     compared and are wrong
     */
    public Result finish() {
        Check.that(size < 0 && !finished, "finish within %s", path);
        finished = true;
        ControlFile c = control;
        if (c == null) {
            throw PageserverException.badRequest("the backup has no global/pg_control");
        }
        BackupLabel l = label;
        if (l == null && c.state() != ControlFile.STATE_SHUT_DOWN) {
            throw PageserverException.badRequest(
                    "neither a backup_label nor a cluster that was shut down (state %d)",
                    c.state());
        }
        if (l != null && l.startLsn() != lsn) {
            throw PageserverException.badRequest(
                    "backup_label starts at %s, expected %s",
                    Lsn.toString(l.startLsn()), Lsn.toString(lsn));
        }
        if (wrongPages > 0 && c.dataChecksums()) {
            throw PageserverException.corruption(
                    "%d pages have a wrong checksum, and no WAL of the backup mends them: %s%s; take another backup, or import this one without comparing checksums",
                    wrongPages, String.join(", ", wrong), wrongPages > NAMED ? ", ..." : "");
        }
        // One whose place nobody tells lies in the data directory, as PostgreSQL's own can.
        inUse.removeAll(List.of(RelTag.DEFAULT_TABLESPACE, RelTag.GLOBAL_TABLESPACE));
        inUse.forEach(
                oid -> tablespaces.putIfAbsent(oid, "pg_tblspc/" + Integer.toUnsignedString(oid)));
        segments.forEach(this::endRelation);
        tablespaces.forEach((oid, location) ->
                out.image(Keys.tablespace(oid), lsn, location.getBytes(StandardCharsets.UTF_8)));
        for (Prepared p : prepared) {
            long full = Xid.full(p.name().xid(), c.checkPoint().nextXid());
            int epoch = p.name().epoch() >= 0 ? p.name().epoch() : (int) (full >>> 32);
            out.image(Keys.twoPhase(epoch, p.name().xid()), lsn, p.state());
        }
        out.image(Keys.CONTROL_FILE, lsn, c.toBytes());
        out.image(Keys.CHECKPOINT, lsn, c.checkPoint().toBytes());
        flush();
        return new Result(c, l);
    }

    /** Its size: full segments from the first on, and the one after them. */
    private void endRelation(Key key, Map<Integer, Integer> blocks) {
        if (!blocks.containsKey(0)) {
            // Short, then its size is known already; or dropped meanwhile, then WAL says so.
            return;
        }
        long total = 0;
        for (int segment = 0; ; segment++) {
            int n = blocks.getOrDefault(segment, 0);
            total += n;
            if (n < RelationFile.BLOCKS_PER_SEGMENT) {
                break;
            }
        }
        size(key, total);
    }
}
