package io.palimpsest.layer;

import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Disk;
import io.palimpsest.value.StoredValue;

/**
 * Writes an image layer: the content of keys as of one LSN, in key order. A key of the range that
 * is not in it has no value below if the layer is complete; else a read goes on below. The caller
 * makes the file, syncs it after {@link #finish} and closes it.
 */
public final class ImageLayerWriter {
    /** A page is a block of its own: whoever reads one wants no other decoded. */
    private static final int BLOCK_BYTES = 8 << 10;

    private final LayerWriter writer;
    private final long lsn;

    /**
     * @param complete whether it will be ({@link LayerDescriptor#complete})
     */
    public ImageLayerWriter(
            Disk.Output out,
            TenantShardId tenant,
            TimelineId timeline,
            long lsn,
            boolean complete,
            Limits limits) {
        this.lsn = lsn;
        writer =
                new LayerWriter(
                        out,
                        new LayerHeader(tenant, timeline, true, complete, lsn),
                        new LsnRange(lsn, lsn + 1),
                        BlockCodec.LZ4,
                        Math.min(BLOCK_BYTES, limits.layerBlockBytes()));
    }

    /** Appends content (without the kind byte of a stored value); empty is a tombstone. */
    public void append(long hi, long mid, long lo, byte[] content, int at, int length) {
        writer.append(hi, mid, lo, lsn, StoredValue.IMAGE, content, at, length);
    }

    /** Bytes of the file so far, about. */
    public long size() {
        return writer.size();
    }

    public long entries() {
        return writer.entries();
    }

    /** Completes the layer over all keys; answers the file's size. */
    public long finish() {
        return finish(KeyRange.ALL);
    }

    /** Completes the layer over the range, which holds all its keys; answers the file's size. */
    public long finish(KeyRange keys) {
        return writer.finish(keys, new LsnRange(lsn, lsn + 1));
    }
}
