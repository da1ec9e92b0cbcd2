package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.compaction.ContentSink;
import org.jspecify.annotations.Nullable;

/**
 * Writes contents as of one LSN as complete image layers of about the target size, which cover a
 * range of keys without a gap.
 */
final class ImageSequence implements ContentSink {
    private final NewLayers layers;
    private final KeyRange keys;
    private final long lsn;
    private final long target;
    private final JobMeter meter;
    private boolean stopped;
    private NewLayers.@Nullable Image out;
    private Key start;

    ImageSequence(NewLayers layers, KeyRange keys, long lsn, long target, JobMeter meter) {
        this.layers = layers;
        this.keys = keys;
        this.lsn = lsn;
        this.target = target;
        this.meter = meter;
        this.start = keys.start();
    }

    @Override
    public void content(long hi, long mid, long lo, byte[] b, int at, int length) {
        if (out != null && out.size() >= target) {
            finish(new Key(hi, mid, lo));
            stopped = meter.giveWay();
        }
        if (!stopped) {
            open().append(hi, mid, lo, b, at, length);
        }
    }

    /** Was it time to give way? The layers are whole then, but do not cover the whole range. */
    boolean stopped() {
        return stopped;
    }

    private void finish(Key end) {
        // A layer without entries says that there is nothing.
        open().finish(new KeyRange(start, end));
        out = null;
        start = end;
    }

    /** Covers the rest of the range, unless it was stopped. */
    void finish() {
        if (!stopped) {
            finish(keys.end());
        }
    }

    private NewLayers.Image open() {
        if (out == null) {
            out = layers.image(lsn, true);
        }
        return out;
    }
}
