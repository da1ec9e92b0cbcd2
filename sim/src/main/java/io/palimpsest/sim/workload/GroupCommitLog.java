package io.palimpsest.sim.workload;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Tasks;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A log of numbers that many append to and one syncs for all: the smallest program with something
 * to lose. It exists to prove the simulator. Each start writes a segment of its own.
 *
 * <pre>
 *   entry:  u64 number   u32 CRC-32C of it
 * </pre>
 */
final class GroupCommitLog {
    /** Mistakes the simulator must find. */
    enum Bug {
        NONE,
        /** The writer now and then forgets to sync before it acknowledges. */
        SYNC_SKIPPED,
        /** The directory is not synced after a segment was created. */
        DIRECTORY_NOT_SYNCED,
        /** Recovery believes the file's length and checks nothing. */
        CHECKSUM_IGNORED,
        /** Waits for its turn in an if, not in a loop. */
        WAKE_TRUSTED
    }

    private static final int ENTRY = 12;
    private static final String DIRECTORY = "log";

    private final Tasks tasks;
    private final Disk disk;
    private final Bug bug;
    private final Tasks.Monitor monitor;
    private final byte[] entry = new byte[ENTRY];

    // Guarded by the monitor: the numbers of the next batch, and how far all that is.
    private List<Long> waiting = new ArrayList<>();
    private long appended;
    private long durable;
    private boolean closed;

    private final List<Long> recovered = new ArrayList<>();
    private Disk.@Nullable Output segment;
    private Tasks.@Nullable Task writer;

    GroupCommitLog(Tasks tasks, Disk disk, Bug bug) {
        this.tasks = tasks;
        this.disk = disk;
        this.bug = bug;
        monitor = tasks.monitor("log");
    }

    /** Reads what there is and starts the writer. */
    void open() {
        disk.createDirectories(DIRECTORY);
        List<String> segments = disk.list(DIRECTORY);
        for (String name : segments) {
            recover(DIRECTORY + "/" + name);
        }
        segment =
                disk.create(DIRECTORY + "/" + String.format(Locale.ROOT, "%08d", segments.size()));
        if (bug != Bug.DIRECTORY_NOT_SYNCED) {
            disk.syncDirectory(DIRECTORY);
        }
        writer = tasks.spawn(Tasks.Lane.LATENCY, "log writer", this::write);
    }

    private void recover(String path) {
        try (Disk.Input in = disk.open(path)) {
            byte[] b = new byte[ENTRY];
            for (long at = 0; in.size() - at >= ENTRY; at += ENTRY) {
                if (!in.tryRead(at, b, 0, ENTRY)) {
                    in.read(at, b, 0, ENTRY);
                }
                if (Bytes.i32(b, 8) != checksum(b) && bug != Bug.CHECKSUM_IGNORED) {
                    break;
                }
                recovered.add(Bytes.i64(b, 0));
            }
        }
    }

    /** The numbers found at the start. */
    List<Long> recovered() {
        return recovered;
    }

    /** Returns when the number is durable. */
    void append(long number) {
        monitor.lock();
        try {
            Check.that(!closed, "append to a closed log");
            waiting.add(number);
            long mine = ++appended;
            monitor.signalAll();
            if (bug == Bug.WAKE_TRUSTED) {
                if (durable < mine) {
                    monitor.await();
                }
                return;
            }
            while (durable < mine) {
                monitor.await();
            }
        } finally {
            monitor.unlock();
        }
    }

    private void write() {
        Disk.Output out = segment;
        Check.that(out != null, "the writer runs before the log is open");
        long batches = 0;
        while (out != null) {
            List<Long> batch;
            long upTo;
            monitor.lock();
            try {
                while (waiting.isEmpty() && !closed) {
                    monitor.await();
                }
                if (waiting.isEmpty()) {
                    return;
                }
                batch = waiting;
                waiting = new ArrayList<>();
                upTo = appended;
            } finally {
                monitor.unlock();
            }
            for (long number : batch) {
                Bytes.putI64(entry, 0, number);
                Bytes.putI32(entry, 8, checksum(entry));
                out.append(entry, 0, ENTRY);
            }
            if (bug != Bug.SYNC_SKIPPED || ++batches % 5 != 0) {
                out.sync();
            }
            monitor.lock();
            durable = upTo;
            monitor.signalAll();
            monitor.unlock();
        }
    }

    void close() {
        monitor.lock();
        closed = true;
        monitor.signalAll();
        monitor.unlock();
        if (writer != null) {
            writer.join();
        }
        if (segment != null) {
            segment.close();
        }
    }

    private static int checksum(byte[] b) {
        CRC32C crc = new CRC32C();
        crc.update(b, 0, 8);
        return (int) crc.getValue();
    }
}
