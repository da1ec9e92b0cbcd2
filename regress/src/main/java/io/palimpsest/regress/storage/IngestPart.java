package io.palimpsest.regress.storage;

import com.sun.management.OperatingSystemMXBean;
import io.palimpsest.base.Limits;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.RelTag;
import io.palimpsest.regress.WorkingDirectory;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Values into the open layer until all of them are durable in L0 files that an index names, by the
 * path that WAL takes once it is interpreted; against the same bytes written to a file and synced.
 *
 * <p>Half of each value is random, the other half repeats, so that blocks are compressed to about
 * two thirds. Each value has an LSN of its own, as far from the one before as its WAL record would
 * be long.
 */
final class IngestPart implements Part {
    private static final long TOTAL_BYTES = 384L << 20;
    private static final int PIECE = 128 << 10;
    private static final int POOL = 1 << 20;
    private static final int BATCH = 1000;
    private static final int BATCH_BYTES = 1 << 20;
    private static final int RECORD_OVERHEAD = 46;
    private static final RelTag RELATION = new RelTag(RelTag.DEFAULT_TABLESPACE, 7, 7, RelTag.MAIN);

    private record Kind(String name, int valueBytes, boolean random, double goal) {
        long values() {
            return TOTAL_BYTES / valueBytes;
        }
    }

    private static final List<Kind> KINDS =
            List.of(
                    new Kind("100-byte values, sequential keys", 100, false, 0.35),
                    new Kind("100-byte values, random keys", 100, true, 0.2),
                    new Kind("8 KiB values, sequential keys", 8192, false, 0.6));

    private final OperatingSystemMXBean system =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private final byte[] pool = new byte[POOL + (8 << 10)];
    private int branches;

    @Override
    public void run(Setting setting, Report report) throws IOException {
        SplittableRandom random = new SplittableRandom(1);
        for (int at = 0; at < pool.length; at += 64) {
            for (int i = 0; i < 32; i++) {
                pool[at + i] = (byte) random.nextInt();
            }
        }
        WorkingDirectory.link(setting.base(), setting.home());
        Storage storage = new Storage(setting.home(), Limits.DEFAULT);
        Timeline base = storage.open(Storage.BASE);
        for (Kind kind : KINDS) {
            Row rate = new Row();
            Row cpu = new Row();
            for (int round = 0; round <= setting.rounds(); round++) {
                report.say(
                        "ingest, " + kind.name + (round == 0 ? ", warm-up" : ", round " + round));
                double limit = write(setting.home(), kind);
                long cpuBefore = system.getProcessCpuTime();
                double ours = ingest(storage, base, kind);
                double nanos = (double) (system.getProcessCpuTime() - cpuBefore) / kind.values();
                if (round > 0) {
                    rate.add(ours, limit);
                    cpu.add(nanos);
                }
            }
            report.rate(
                    "ingest, " + kind.name,
                    "writing the same bytes and syncing them",
                    "MiB/s",
                    rate,
                    Goal.atLeast(kind.goal),
                    "");
            report.value("  processor time a value", "ns", cpu, null, "");
        }
        base.shutDown();
    }

    /** The limit: no work at all. */
    private double write(Path directory, Kind kind) throws IOException {
        Path file = directory.resolve("same-bytes");
        long start = System.nanoTime();
        try (FileChannel out =
                FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            long left = kind.values() * kind.valueBytes;
            for (int at = 0; left > 0; at = (at + PIECE) % POOL) {
                ByteBuffer piece = ByteBuffer.wrap(pool, at, (int) Math.min(PIECE, left));
                left -= piece.remaining();
                while (piece.hasRemaining()) {
                    int _ = out.write(piece);
                }
            }
            out.force(true);
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        Files.delete(file);
        return kind.values() * (double) kind.valueBytes / (1 << 20) / seconds;
    }

    private double ingest(Storage storage, Timeline base, Kind kind) {
        Timeline branch =
                storage.store()
                        .createBranch(base, new TimelineId(2, ++branches), base.lastRecordLsn());
        SplittableRandom random = new SplittableRandom(branches);
        long hi = Keys.hi(Keys.REL_BLOCK, RELATION.spc());
        long mid = Keys.mid(RELATION.db(), RELATION.rel());
        long step = kind.valueBytes + RECORD_OVERHEAD + 7 & ~7L;
        long lsn = base.lastRecordLsn();
        Modifications batch = new Modifications();
        int pieces = Math.min(BATCH, BATCH_BYTES / kind.valueBytes);
        long values = kind.values();
        long start = System.nanoTime();
        for (long i = 0; i < values; ) {
            for (int n = 0; n < pieces && i < values; n++, i++) {
                lsn += step;
                long block = kind.random ? random.nextLong() & 0xFFFF_FFFFL : i;
                batch.begin(hi, mid, Keys.lo(RELATION.fork(), (int) block), lsn);
                batch.out().u8(StoredValue.IMAGE);
                batch.out().bytes(pool, (int) (i * 61 % POOL), kind.valueBytes - 1);
                batch.end();
            }
            branch.commit(batch, lsn - step, lsn);
            batch.clear();
        }
        branch.flushUpTo(lsn);
        double seconds = (System.nanoTime() - start) / 1e9;
        storage.drop(branch);
        return values * (double) kind.valueBytes / (1 << 20) / seconds;
    }
}
