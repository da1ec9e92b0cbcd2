package io.palimpsest.layer;

import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Disk;

/**
 * Writes a delta layer, compressed with lz4 if not said otherwise: stored values of any kind over a
 * range of LSNs. Entries come in order of key, then LSN; several of one key and LSN are kept in the
 * order they come. The caller makes the file, syncs it after {@link #finish} and closes it; a file
 * not finished is worthless.
 */
public final class DeltaLayerWriter {
    private final LayerWriter writer;
    private final LsnRange lsns;

    /**
     * @param out empty
     * @param lsns all entries are in it
     */
    public DeltaLayerWriter(
            Disk.Output out,
            TenantShardId tenant,
            TimelineId timeline,
            LsnRange lsns,
            Limits limits) {
        this(out, tenant, timeline, lsns, BlockCodec.LZ4, limits.layerBlockBytes());
    }

    private DeltaLayerWriter(
            Disk.Output out,
            TenantShardId tenant,
            TimelineId timeline,
            LsnRange lsns,
            BlockCodec codec,
            int blockBytes) {
        this.lsns = lsns;
        writer =
                new LayerWriter(
                        out,
                        new LayerHeader(tenant, timeline, false, false, lsns.start()),
                        lsns,
                        codec,
                        blockBytes);
    }

    /**
     * For what comes from memory and is soon merged: not compressed, which would cost more than all
     * else that is done for it.
     */
    public static DeltaLayerWriter ofL0(
            Disk.Output out,
            TenantShardId tenant,
            TimelineId timeline,
            LsnRange lsns,
            Limits limits) {
        int blockBytes = limits.layerBlockBytes();
        return new DeltaLayerWriter(out, tenant, timeline, lsns, BlockCodec.RAW, blockBytes);
    }

    /**
     * For a layer of a timeline that nothing is written to: zstd, in blocks as small as those that
     * are read much. A third smaller; a block that is not in memory takes four times as long.
     */
    public static DeltaLayerWriter ofRest(
            Disk.Output out,
            TenantShardId tenant,
            TimelineId timeline,
            LsnRange lsns,
            Limits limits) {
        int blockBytes = limits.layerBlockBytes();
        return new DeltaLayerWriter(out, tenant, timeline, lsns, BlockCodec.ZSTD, blockBytes);
    }

    /**
     * For a layer of history below the cutoff, which is read seldom and kept long: zstd, in blocks
     * four times as large.
     */
    public static DeltaLayerWriter ofHistory(
            Disk.Output out,
            TenantShardId tenant,
            TimelineId timeline,
            LsnRange lsns,
            Limits limits) {
        int blockBytes = 4 * limits.layerBlockBytes();
        return new DeltaLayerWriter(out, tenant, timeline, lsns, BlockCodec.ZSTD, blockBytes);
    }

    public void append(long hi, long mid, long lo, long lsn, byte[] b, int at, int length) {
        writer.append(hi, mid, lo, lsn, -1, b, at, length);
    }

    /** Appends all that is left in the cursor. */
    public void appendAll(LayerCursor c) {
        while (c.next()) {
            append(c.hi(), c.mid(), c.lo(), c.lsn(), c.bytes(), c.offset(), c.length());
        }
    }

    /** Bytes of the file so far, about. */
    public long size() {
        return writer.size();
    }

    public long entries() {
        return writer.entries();
    }

    /** Completes an L0: all keys. Answers the file's size. */
    public long finish() {
        return finish(KeyRange.ALL, lsns);
    }

    /** Completes the layer as one of these ranges, which hold all entries. */
    public long finish(KeyRange keys, LsnRange narrowed) {
        return writer.finish(keys, narrowed);
    }
}
