package io.palimpsest.base;

/**
 * Which layers a tenant has on its owner's disk is put into the store, and who keeps them ready for
 * the owner's loss goes by it. Without a store neither is done.
 *
 * @param uploadPeriodNanos how often an owner puts it, if it is another; 0: never
 * @param downloadPeriodNanos how often a warm secondary location looks
 * @param downloads layers that come at once to one
 * @param bytesPerSecond that come to one tenant in the mean, at most; 0: as many as the store gives
 * @param mostBytes of layers that are kept ready for one tenant; 0: as many as the disk takes
 */
public record HeatmapConfig(
        long uploadPeriodNanos,
        long downloadPeriodNanos,
        int downloads,
        long bytesPerSecond,
        long mostBytes) {
    public static final HeatmapConfig DEFAULT = new HeatmapConfig(0, 60_000_000_000L, 4, 0, 0);

    public HeatmapConfig {
        Check.that(uploadPeriodNanos >= 0, "uploadPeriodNanos %d", uploadPeriodNanos);
        Check.that(downloadPeriodNanos > 0, "downloadPeriodNanos %d", downloadPeriodNanos);
        Check.that(downloads > 0, "%d downloads at once", downloads);
        Check.that(bytesPerSecond >= 0, "bytesPerSecond %d", bytesPerSecond);
        Check.that(mostBytes >= 0, "mostBytes %d", mostBytes);
    }
}
