package io.palimpsest.base;

/**
 * Every bound of the core, by name. The simulator runs the same code with hostile values (tiny
 * layers, tiny batches), which is how rare paths become common.
 *
 * @param openLayerBytes the open layer is frozen when its values and index reach this
 * @param flushDistance or when it spans this many bytes of WAL
 * @param flushAgeNanos or when its oldest value is this old
 * @param ingestBatchRecords records committed to the open layer at once, at most
 * @param ingestBatchBytes or bytes of values, whichever comes first
 * @param layerBlockBytes target size of a delta layer's block before compression; an image layer's
 *     are of 8 KiB at most
 * @param recordBytes the largest WAL record taken; PostgreSQL's own limit is 1020 MiB since 16,
 *     none before
 * @param waitLsnNanos how long a read waits for its LSN
 * @param blockCacheBytes decoded layer blocks kept in memory
 * @param openLayerFiles layer files held open at once, about
 * @param batchPages pages that are looked for together, at most
 * @param chainDeltas records that history below the cutoff may keep for a page in place of an image
 * @param backgroundBytesPerSecond what compaction reads and writes, at most; 0: as fast as it can
 */
public record Limits(
        long openLayerBytes,
        long flushDistance,
        long flushAgeNanos,
        int ingestBatchRecords,
        int ingestBatchBytes,
        int layerBlockBytes,
        int recordBytes,
        long waitLsnNanos,
        long blockCacheBytes,
        int openLayerFiles,
        int batchPages,
        int chainDeltas,
        long backgroundBytesPerSecond) {
    public static final Limits DEFAULT =
            new Limits(
                    256L << 20,
                    256L << 20,
                    600_000_000_000L,
                    1000,
                    8 << 20,
                    16 << 10,
                    1 << 30,
                    300_000_000_000L,
                    256L << 20,
                    4096,
                    32,
                    4,
                    0);

    public Limits {
        Check.that(
                openLayerBytes > 0 && openLayerBytes < 1L << 40,
                "openLayerBytes %d",
                openLayerBytes);
        Check.that(flushDistance > 0, "flushDistance %d", flushDistance);
        Check.that(flushAgeNanos > 0, "flushAgeNanos %d", flushAgeNanos);
        Check.that(ingestBatchRecords > 0, "ingestBatchRecords %d", ingestBatchRecords);
        Check.that(ingestBatchBytes > 0, "ingestBatchBytes %d", ingestBatchBytes);
        Check.that(
                layerBlockBytes > 0 && layerBlockBytes <= 1 << 24,
                "layerBlockBytes %d",
                layerBlockBytes);
        Check.that(recordBytes >= 1 << 16, "recordBytes %d", recordBytes);
        Check.that(waitLsnNanos >= 0, "waitLsnNanos %d", waitLsnNanos);
        Check.that(blockCacheBytes >= 0, "blockCacheBytes %d", blockCacheBytes);
        Check.that(openLayerFiles > 0, "openLayerFiles %d", openLayerFiles);
        Check.that(batchPages > 0 && batchPages <= 1 << 10, "batchPages %d", batchPages);
        Check.that(chainDeltas >= 0, "chainDeltas %d", chainDeltas);
        Check.that(
                backgroundBytesPerSecond >= 0,
                "backgroundBytesPerSecond %d",
                backgroundBytesPerSecond);
    }
}
