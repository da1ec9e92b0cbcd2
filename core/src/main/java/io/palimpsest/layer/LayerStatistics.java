package io.palimpsest.layer;

import io.palimpsest.base.Key;

/**
 * What a layer holds, counted while it was written.
 *
 * @param entries values in all, {@code images + deltas}
 * @param keys different keys
 * @param images values that are images
 * @param deltas values that are not
 * @param initials values that need nothing below them (images among them)
 * @param valueBytes bytes of all values, before compression
 * @param blockBytes bytes of all data blocks before compression
 * @param minLsn lowest LSN of an entry; 0 if there is none
 * @param maxLsn highest LSN of an entry; 0 if there is none
 * @param firstKey lowest key of an entry; {@link Key#MIN} if there is none
 * @param lastKey highest key of an entry; {@link Key#MIN} if there is none
 * @param tombstones values that say that there is nothing (images without content)
 * @param deepest the most values under one key
 */
public record LayerStatistics(
        long entries,
        long keys,
        long images,
        long deltas,
        long initials,
        long valueBytes,
        long blockBytes,
        long minLsn,
        long maxLsn,
        Key firstKey,
        Key lastKey,
        long tombstones,
        long deepest) {}
