package io.palimpsest.regress.bench;

import com.sun.management.OperatingSystemMXBean;
import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.ingest.WalIngest;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tracer;
import io.palimpsest.regress.WarningsOnly;
import io.palimpsest.server.disk.NioDisk;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SocketNet;
import io.palimpsest.server.runtime.SystemClock;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.timeline.Housekeeping;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineStore;
import io.palimpsest.timeline.WalSource;
import io.palimpsest.timeline.WalWriting;
import io.palimpsest.value.Modifications;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * Ingest of a recorded stream, in process, in growing parts: decode; decode and interpret; all of
 * it with the open layer and the flush to disk. Beside it, in the same round: the same bytes copied
 * to disk, and PostgreSQL's recovery of them.
 */
final class IngestBench implements AutoCloseable {
    static final String COPY = "copy + fsync";
    static final String RECOVERY = "PostgreSQL's recovery";
    static final String DECODE = "decode";
    static final String INTERPRET = "decode, interpret";
    static final String INGEST = "decode, interpret, store, flush";
    private static final String MIB = "MiB/s";
    private static final String RECORDS = "records/s";
    private static final String CPU = "CPU ns/record";
    private static final int HEADER = 4096;

    private interface Part {
        void run() throws IOException;
    }

    private final Path directory;
    private final Environment environment;
    private final TimelineStore store;
    private final Timeline base;
    private final OperatingSystemMXBean system =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private final Figures figures = new Figures("ingest");
    private long records;
    private Timeline branch;
    private int branches;

    /** Imports the source as it is now; its slot keeps the WAL from here on. */
    IngestBench(Path directory, BenchSource source) throws IOException {
        this.directory = Files.createDirectories(directory);
        Tracer tracer = new WarningsOnly(new LogTracer("bench"));
        environment =
                new Environment(
                        new SystemClock(),
                        new SystemTasks(tracer, (task, failure) -> {}),
                        new NioDisk(directory),
                        new SocketNet(),
                        new SecureIds(),
                        tracer);
        store =
                new TimelineStore(
                        environment,
                        Limits.DEFAULT,
                        TenantConfig.DEFAULT,
                        new BlockCache(Limits.DEFAULT),
                        Housekeeping.NONE);
        base =
                store.importFrom(
                        TenantShardId.unsharded(new TenantId(1, 1)),
                        new TimelineId(1, 1),
                        new WalSource(
                                "127.0.0.1",
                                source.port(),
                                "postgres",
                                source.password(),
                                "bench"));
        branch = base;
    }

    /** Where the stream has to start. */
    long startLsn() {
        return base.lastRecordLsn();
    }

    /**
     * Takes the start of the stream into the base, up to where it is readable: branches begin
     * there.
     *
     * @return the rest, which is what is measured
     */
    RecordedStream begin(RecordedStream stream) throws IOException {
        WalWriting writing = new WalWriting(base, Limits.DEFAULT, stream.start());
        stream.forEach((lsn, b, offset, length) -> {
            if (base.lastRecordLsn() < base.oldestReadableLsn()) {
                writing.write(lsn, b, offset, length);
            }
        });
        base.flushUpTo(base.lastRecordLsn());
        return stream.from(base.lastRecordLsn());
    }

    int walTimeline() {
        return base.walTimeline();
    }

    int segmentSize() {
        return base.segmentSize();
    }

    /** One round of everything, its figures dropped if it is a warm-up. */
    void round(RecordedStream stream, BenchSource source, boolean warmUp) throws IOException {
        records = count(stream);
        Figures to = warmUp ? new Figures("warm-up") : figures;
        measure(to, COPY, stream, () -> copy(stream));
        if (!warmUp) {
            BenchSource.Recovery recovery = source.recover();
            add(to, RECOVERY, stream, recovery.elapsedSeconds(), recovery.cpuSeconds());
        }
        measure(to, DECODE, stream, () -> count(stream));
        measure(to, INTERPRET, stream, () -> interpret(stream));
        Timeline timeline = nextBranch();
        measure(to, INGEST, stream, () -> ingest(stream, timeline));
    }

    private void measure(Figures to, String what, RecordedStream stream, Part part)
            throws IOException {
        long cpu = system.getProcessCpuTime();
        long time = System.nanoTime();
        part.run();
        double seconds = (System.nanoTime() - time) / 1e9;
        add(to, what, stream, seconds, (system.getProcessCpuTime() - cpu) / 1e9);
    }

    private void add(Figures to, String what, RecordedStream stream, double seconds, double cpu) {
        to.rate(what, MIB, stream.mebibytes() / seconds);
        if (!what.equals(COPY)) {
            to.rate(what, RECORDS, records / seconds);
            to.cost(what, CPU, cpu * 1e9 / records);
        }
    }

    /** The bytes to files of a segment's size, each synced. */
    private void copy(RecordedStream stream) throws IOException {
        Path to = directory.resolve("copy");
        try (FileChannel out =
                FileChannel.open(
                        to,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.TRUNCATE_EXISTING)) {
            long[] written = new long[1];
            stream.forEach((lsn, b, offset, length) -> {
                ByteBuffer piece = ByteBuffer.wrap(b, offset, length);
                while (piece.hasRemaining()) {
                    written[0] += out.write(piece);
                }
                if (written[0] >= stream.segmentSize()) {
                    out.force(false);
                    written[0] = 0;
                }
            });
            out.force(true);
        }
        Files.delete(to);
    }

    private WalDecoder decoder(RecordedStream stream) {
        return new WalDecoder(
                base.version(),
                stream.start(),
                stream.segmentSize(),
                base.systemIdentifier(),
                Limits.DEFAULT.recordBytes());
    }

    private long count(RecordedStream stream) throws IOException {
        WalDecoder decoder = decoder(stream);
        WalRecord record = new WalRecord();
        long[] n = new long[1];
        stream.forEach((lsn, b, offset, length) -> {
            decoder.feed(b, offset, length);
            while (decoder.next(record)) {
                n[0]++;
            }
        });
        return n[0];
    }

    /** What the records change, dropped batch by batch: never committed, so nothing is stored. */
    private void interpret(RecordedStream stream) throws IOException {
        WalDecoder decoder = decoder(stream);
        WalRecord record = new WalRecord();
        Modifications batch = new Modifications();
        WalIngest ingest = new WalIngest(base.version(), base.viewAt(base.lastRecordLsn()));
        stream.forEach((lsn, b, offset, length) -> {
            decoder.feed(b, offset, length);
            while (decoder.next(record)) {
                ingest.ingest(record, batch);
                if (batch.count() >= 1000) {
                    batch.clear();
                }
            }
            batch.clear();
        });
    }

    /** A fresh branch of the imported timeline for each round; the one before is deleted. */
    private Timeline nextBranch() {
        dropBranch();
        branch = store.createBranch(base, new TimelineId(2, ++branches), base.lastRecordLsn());
        return branch;
    }

    private void dropBranch() {
        if (branch != base) {
            branch.shutDown();
            environment
                    .disk()
                    .deleteTree(
                            TimelineStore.ROOT
                                    + "/"
                                    + branch.tenant()
                                    + "/timelines/"
                                    + branch.id());
        }
    }

    private static void ingest(RecordedStream stream, Timeline timeline) throws IOException {
        WalWriting writing = new WalWriting(timeline, Limits.DEFAULT, stream.start());
        stream.forEach(writing::write);
        timeline.flushUpTo(timeline.lastRecordLsn());
    }

    /** Reads of pages of the last round's timeline on this thread: all flushed, no socket. */
    void reads(String what, RelTag tag, int blocks, double seconds, boolean warmUp) {
        SplittableRandom random = new SplittableRandom(1);
        byte[] page = new byte[HEADER + Page.SIZE];
        long lsn = branch.lastRecordLsn();
        long n = 0;
        long start = System.nanoTime();
        long end = start + (long) (seconds * 1e9);
        long now = start;
        while (now < end) {
            for (int i = 0; i < 100; i++) {
                branch.readPage(tag, random.nextInt(blocks), lsn, page, HEADER);
            }
            n += 100;
            now = System.nanoTime();
        }
        if (!warmUp) {
            figures.rate("read from files in process, " + what, "pages/s", n * 1e9 / (now - start));
        }
    }

    Figures figures() {
        return figures;
    }

    /** All rounds are done: take ratios. */
    void compare() {
        for (String what : List.of(DECODE, INTERPRET, INGEST)) {
            figures.compare(what, COPY, MIB);
        }
        figures.compare(INGEST, RECOVERY, MIB);
        figures.compare(INGEST, RECOVERY, CPU);
    }

    String describe(RecordedStream stream) throws IOException {
        records = count(stream);
        return String.format(
                Locale.ROOT, "%.0f MiB of WAL, %,d records", stream.mebibytes(), records);
    }

    @Override
    public void close() {
        dropBranch();
        base.shutDown();
    }
}
