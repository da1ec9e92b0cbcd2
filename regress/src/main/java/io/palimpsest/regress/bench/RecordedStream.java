package io.palimpsest.regress.bench;

import io.palimpsest.wal.WalPage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A server's WAL from one LSN to another, in memory, in the pieces in which a walsender sends it.
 */
final class RecordedStream {
    /** A walsender's largest message: 16 WAL pages. */
    private static final int PIECE = 128 << 10;

    /** Takes the stream piece by piece. */
    interface Taker {
        void take(long lsn, byte[] bytes, int offset, int length) throws IOException;
    }

    private final long start;
    private final long end;
    private final int segmentSize;
    private final long firstSegment;
    private final List<byte[]> segments;

    private RecordedStream(
            long start, long end, int segmentSize, long firstSegment, List<byte[]> segments) {
        this.start = start;
        this.end = end;
        this.segmentSize = segmentSize;
        this.firstSegment = firstSegment;
        this.segments = segments;
    }

    /** Reads it from a server's {@code pg_wal}. */
    static RecordedStream read(
            Path directory, int walTimeline, int segmentSize, long start, long end) {
        List<byte[]> segments = new ArrayList<>();
        try {
            for (long n = start / segmentSize; n <= (end - 1) / segmentSize; n++) {
                String name = WalPage.segmentName(walTimeline, n, segmentSize);
                segments.add(Files.readAllBytes(directory.resolve(name)));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new RecordedStream(start, end, segmentSize, start / segmentSize, segments);
    }

    /** The rest of it. */
    RecordedStream from(long lsn) {
        return new RecordedStream(lsn, end, segmentSize, firstSegment, segments);
    }

    long start() {
        return start;
    }

    int segmentSize() {
        return segmentSize;
    }

    double mebibytes() {
        return (end - start) / (double) (1 << 20);
    }

    void forEach(Taker taker) throws IOException {
        for (long at = start; at < end; ) {
            byte[] segment = segments.get((int) (at / segmentSize - firstSegment));
            int offset = (int) (at % segmentSize);
            // Pieces end at multiples of their size, as a walsender's do.
            int n = (int) Math.min(PIECE - at % PIECE, end - at);
            taker.take(at, segment, offset, n);
            at += n;
        }
    }
}
