package io.palimpsest.tenant;

import java.util.concurrent.atomic.AtomicLong;

/** What background work has come to since the server started. */
public final class BackgroundCounters {
    /**
     * @param flushes layers flushed
     * @param merges jobs that merged L0s
     * @param images jobs that created images
     * @param histories jobs that dropped history
     * @param collections garbage collections
     * @param layersCollected layers they removed
     * @param gaveWay jobs that ended early for more urgent ones
     * @param failures jobs that failed
     * @param stalls flushes that had to wait for merges
     * @param bytesRead by compaction, of files, about
     * @param bytesWritten by compaction, of files
     */
    public record Snapshot(
            long flushes,
            long merges,
            long images,
            long histories,
            long collections,
            long layersCollected,
            long gaveWay,
            long failures,
            long stalls,
            long bytesRead,
            long bytesWritten) {
        /** Jobs of all three kinds. */
        public long compactions() {
            return merges + images + histories;
        }
    }

    final AtomicLong flushes = new AtomicLong();
    final AtomicLong merges = new AtomicLong();
    final AtomicLong images = new AtomicLong();
    final AtomicLong histories = new AtomicLong();
    final AtomicLong collections = new AtomicLong();
    final AtomicLong layersCollected = new AtomicLong();
    final AtomicLong gaveWay = new AtomicLong();
    final AtomicLong failures = new AtomicLong();
    final AtomicLong stalls = new AtomicLong();
    final AtomicLong bytesRead = new AtomicLong();
    final AtomicLong bytesWritten = new AtomicLong();

    public Snapshot snapshot() {
        return new Snapshot(
                flushes.get(),
                merges.get(),
                images.get(),
                histories.get(),
                collections.get(),
                layersCollected.get(),
                gaveWay.get(),
                failures.get(),
                stalls.get(),
                bytesRead.get(),
                bytesWritten.get());
    }
}
