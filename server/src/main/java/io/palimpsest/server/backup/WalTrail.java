package io.palimpsest.server.backup;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.wal.WalPage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The WAL that follows on a base backup's start, one segment after the other: from an archive
 * directory, else from what the backup has itself. Segments that only have a place kept for them,
 * as in the pg_wal of a server, do not count.
 *
 * <p>Where an archive has the history of a later WAL timeline than the backup's, which went on from
 * that, its segments are taken from where it began, as PostgreSQL's recovery does: the newest one.
 */
public final class WalTrail {
    /** Receives the segments in their order, the first whole although the WAL begins within it. */
    public interface Visitor {
        void segment(String name, long startLsn);

        void bytes(byte[] bytes, int offset, int length);

        /** The segment is over; it may be shorter than it should be. */
        void segmentEnd();

        /** Are no more segments wanted? */
        boolean enough();
    }

    private static final int PIECE = 128 << 10;
    private static final int SYSTEM_ID = 24;
    private static final int PAGE_LSN = 8;
    private static final String GZIP = ".gz";

    private final StoredBackup backup;
    private final BackupFacts facts;
    private final List<Path> directories = new ArrayList<>();
    private final long first;
    private final WalHistory history;

    /**
     * @param archives where more segments are than the backup has, by their names, plain or with
     *     {@code .gz}; the first that has one counts
     * @throws PageserverException NOT_FOUND if one is no directory
     */
    public WalTrail(StoredBackup backup, BackupFacts facts, List<Path> archives) {
        this.backup = backup;
        this.facts = facts;
        this.first = Long.divideUnsigned(facts.startLsn(), facts.segmentSize());
        for (Path archive : archives) {
            if (!Files.isDirectory(archive)) {
                throw PageserverException.of(
                        ErrorCode.NOT_FOUND, "%s is no directory of WAL segments", archive);
            }
            directories.add(archive);
        }
        Path own = backup.walDirectory();
        if (own != null) {
            directories.add(own);
        }
        history = history();
    }

    /** On which WAL timelines the WAL is. */
    public WalHistory timelines() {
        return history;
    }

    /** The newest one that goes on from the backup's start. */
    private WalHistory history() {
        WalHistory best = WalHistory.on(facts.walTimeline());
        for (Path directory : directories) {
            try (Stream<Path> files = Files.list(directory)) {
                for (Path file : files.sorted().toList()) {
                    WalHistory found = history(file);
                    if (found != null
                            && Integer.compareUnsigned(found.timelineId(), best.timelineId()) > 0
                            && continues(found)) {
                        best = found;
                    }
                }
            } catch (IOException e) {
                throw new PageserverException(
                        ErrorCode.IO, directory + " cannot be listed: " + e.getMessage(), e);
            }
        }
        return best;
    }

    private boolean continues(WalHistory later) {
        long common = later.common(WalHistory.on(facts.walTimeline()));
        return Long.compareUnsigned(common, facts.startLsn()) >= 0;
    }

    /** Null if the file is none of a WAL timeline. */
    private static @Nullable WalHistory history(Path file) {
        String name = file.getFileName().toString();
        if (!WalHistory.isFileName(
                name.endsWith(GZIP) ? name.substring(0, name.length() - GZIP.length()) : name)) {
            return null;
        }
        try (InputStream in = ArchiveFile.open(file)) {
            return WalHistory.parse(
                    WalHistory.timelineOf(name),
                    new String(in.readNBytes(WalHistory.LONGEST_FILE), StandardCharsets.UTF_8));
        } catch (PageserverException e) {
            throw new PageserverException(e.code(), file + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.IO, file + " cannot be read to its end: " + e.getMessage(), e);
        }
    }

    /** Of whose files a segment is: the newest that begins before its end has all of it. */
    private int timelineOf(long number) {
        return history.timelineOfSegment(number, facts.segmentSize());
    }

    /** Gives all there are, up to the first one that is missing. */
    public void walk(Visitor to) {
        Merge merge = new Merge(to);
        backup.archivedWal(merge);
        merge.rest();
    }

    /** Segments of directories and of archives become one row. */
    private final class Merge implements FileVisitor {
        private final Visitor to;
        private final byte[] piece = new byte[PIECE];
        private final byte[] header = new byte[WalPage.LONG_HEADER];
        private long next = first;
        private String name = "";
        private int headerBytes;

        Merge(Visitor to) {
            this.to = to;
        }

        void rest() {
            while (!to.enough() && fromDirectory()) {
                next++;
            }
        }

        @Override
        public boolean file(String segment, long size) {
            long number = number(segment);
            while (number >= next && !to.enough() && fromDirectory()) {
                next++;
            }
            name = segment;
            headerBytes = 0;
            return number == next && !to.enough();
        }

        /** -1 if it is none, or of a timeline that had been left by then. */
        private long number(String segment) {
            if (!WalPage.isSegmentName(segment)) {
                return -1;
            }
            int timeline = WalPage.timelineId(segment);
            long number = WalPage.segmentNumber(segment, timeline, facts.segmentSize());
            return number >= 0 && timelineOf(number) == timeline ? number : -1;
        }

        /** Nothing is passed on before the header has told that it is that segment. */
        @Override
        public void content(byte[] bytes, int offset, int length) {
            int used = Math.min(header.length - headerBytes, length);
            if (used > 0) {
                System.arraycopy(bytes, offset, header, headerBytes, used);
                headerBytes += used;
                if (headerBytes == header.length && begins(name)) {
                    to.segment(name, next * facts.segmentSize());
                    to.bytes(header, 0, header.length);
                }
            }
            if (length > used && begins(name)) {
                to.bytes(bytes, offset + used, length - used);
            }
        }

        @Override
        public void end() {
            if (headerBytes == header.length && begins(name)) {
                to.segmentEnd();
                next++;
            }
        }

        /** Is the header that of the next segment? */
        private boolean begins(String of) {
            if (Bytes.i64(header, PAGE_LSN) != next * facts.segmentSize()) {
                return false;
            }
            if (Bytes.i64(header, SYSTEM_ID) != facts.systemIdentifier()) {
                throw PageserverException.badRequest(
                        "%s is WAL of another cluster: system identifier %s, the backup's is %s",
                        of,
                        Long.toUnsignedString(Bytes.i64(header, SYSTEM_ID)),
                        Long.toUnsignedString(facts.systemIdentifier()));
            }
            return true;
        }

        @Override
        public void tablespace(int oid, String location) {
            // There are none among segments.
        }

        @Override
        public void hasTablespace(int oid) {
            // Likewise.
        }

        private boolean fromDirectory() {
            String segment = WalPage.segmentName(timelineOf(next), next, facts.segmentSize());
            for (Path directory : directories) {
                Path path = find(directory, segment);
                if (path != null && give(path, segment)) {
                    return true;
                }
            }
            return false;
        }

        /** False if that file is not the segment that its name says. */
        private boolean give(Path path, String segment) {
            try (InputStream in = ArchiveFile.open(path)) {
                headerBytes = in.readNBytes(header, 0, header.length);
                if (headerBytes < header.length || !begins(path.toString())) {
                    return false;
                }
                to.segment(segment, next * facts.segmentSize());
                to.bytes(header, 0, header.length);
                for (int n; (n = in.read(piece)) >= 0; ) {
                    to.bytes(piece, 0, n);
                }
                to.segmentEnd();
                return true;
            } catch (IOException e) {
                throw new PageserverException(
                        ErrorCode.IO, path + " cannot be read to its end: " + e.getMessage(), e);
            }
        }
    }

    private static @Nullable Path find(Path directory, String name) {
        for (String suffix : List.of("", GZIP, ".zst", ".lz4")) {
            Path path = directory.resolve(name + suffix);
            if (Files.isRegularFile(path)) {
                return path;
            }
        }
        return null;
    }

    /** Where the row begins, for messages. */
    String beginning() {
        return WalPage.segmentName(timelineOf(first), first, facts.segmentSize())
                + " at "
                + Lsn.toString(facts.startLsn());
    }
}
