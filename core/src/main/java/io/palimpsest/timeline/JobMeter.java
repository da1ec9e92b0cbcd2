package io.palimpsest.timeline;

import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerStatistics;
import java.util.List;

/**
 * Counts what one job reads and writes, and tells its pace in portions. What is read is counted by
 * entries, and reckoned as the part of the files that they take up, compressed.
 */
final class JobMeter {
    private static final int PORTION = 128 << 10;
    private static final int ENTRY_OVERHEAD = 16;

    private final Pace pace;

    /** Bytes of a file for each byte of its entries. */
    private double density = 1;

    private long entryBytes;
    private long written;
    private long told;

    JobMeter(Pace pace) {
        this.pace = pace;
    }

    /** What is read is of these files. */
    void inputs(List<LayerFile> files) {
        double bytes = 0;
        double entries = 0;
        for (LayerFile file : files) {
            LayerStatistics statistics = file.statistics();
            bytes += file.size();
            entries += statistics.valueBytes() + ENTRY_OVERHEAD * (double) statistics.entries();
        }
        density = entries == 0 ? 1 : bytes / entries;
    }

    /** An entry with a value of {@code bytes}. */
    void read(int bytes) {
        entryBytes += bytes + ENTRY_OVERHEAD;
        tell(PORTION);
    }

    void wrote(int bytes) {
        written += bytes;
        tell(PORTION);
    }

    /** All is written. */
    void end() {
        tell(1);
    }

    private void tell(int portion) {
        long more = bytesRead() + written - told;
        if (more >= portion) {
            told += more;
            pace.spent(more);
        }
    }

    boolean giveWay() {
        return pace.giveWay();
    }

    /** Bytes of files read, about. */
    long bytesRead() {
        return (long) (entryBytes * density);
    }

    /** Bytes of files written. */
    long bytesWritten() {
        return written;
    }
}
