package io.palimpsest.layer;

import io.palimpsest.base.Limits;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Decoded blocks of layer files, shared by all of them: those with data in one {@link BlockRegion},
 * those with an index or a filter in another, so that however many pages pass by, what finds a page
 * stays. The second has an eighth of the bytes there are, and {@value #LEAST_INDEX_BYTES} at least:
 * an index is a four-hundredth of its data, a filter a sixth of the smallest values and next to
 * nothing of pages.
 *
 * <p>With it goes the bound on files held open, {@link OpenFiles}: all are shared by the same
 * files.
 */
public final class BlockCache {
    private static final long LEAST_INDEX_BYTES = 8 << 20;

    private final BlockRegion data;
    private final BlockRegion indexes;
    private final AtomicLong files = new AtomicLong();
    private final OpenFiles open;
    private final BlockDecoder decoder = new BlockDecoder();

    public BlockCache(Limits limits) {
        open = new OpenFiles(limits.openLayerFiles());
        long share = limits.blockCacheBytes() / 8;
        data = new BlockRegion(limits.blockCacheBytes() - share);
        indexes = new BlockRegion(Math.max(LEAST_INDEX_BYTES, share));
    }

    /**
     * Tells all files whose blocks are kept here what time it is, in any unit; see {@link
     * LayerFile#lastRead}.
     */
    public void now(int time) {
        open.now(time);
    }

    OpenFiles open() {
        return open;
    }

    /** What all files whose blocks are kept here decode them with. */
    BlockDecoder decoder() {
        return decoder;
    }

    /** A number for a file whose blocks will be kept here; never given twice. */
    long register() {
        return files.incrementAndGet();
    }

    /** Where blocks of a type are kept. */
    BlockRegion region(int type) {
        return type == LayerFormat.TYPE_DATA ? data : indexes;
    }

    /** Bytes kept, within the limits but for what tasks are inserting right now. */
    public long bytes() {
        return data.bytes() + indexes.bytes();
    }
}
