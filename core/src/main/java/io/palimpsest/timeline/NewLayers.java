package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.DeltaLayerWriter;
import io.palimpsest.layer.ImageLayerWriter;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Disk;
import java.util.ArrayList;
import java.util.List;

/**
 * The layer files that one job writes. Each is written under a temporary name, synced, renamed; the
 * directory is synced once, by {@link #seal}. They are nothing until an index names them: what was
 * not {@link #committed} by then is deleted by {@link #close}, and what a crash leaves of it by the
 * next start.
 */
final class NewLayers implements AutoCloseable {
    private final Timeline timeline;
    private final Disk disk;
    private final TimelineIndex index;
    private final JobMeter meter;
    private final List<Output> unfinished = new ArrayList<>();
    private final List<LayerName> finished = new ArrayList<>();
    private final List<LayerFile> opened = new ArrayList<>();
    private long bytes;
    private boolean committed;

    NewLayers(Timeline timeline, JobMeter meter) {
        this.timeline = timeline;
        this.disk = timeline.environment().disk();
        this.index = timeline.index();
        this.meter = meter;
    }

    /** Bytes of the finished files. */
    long bytes() {
        return bytes;
    }

    /** How many files are finished. */
    int count() {
        return finished.size();
    }

    Delta delta(LsnRange lsns, DeltaForm form) {
        return new Delta(lsns, form);
    }

    Image image(long lsn, boolean complete) {
        return new Image(lsn, complete);
    }

    /** A file that is being written. */
    abstract class Output {
        private final String temporary = timeline.temporaryPath();
        final Disk.Output out;

        Output() {
            disk.delete(temporary);
            out = new Metered(disk.create(temporary), meter);
            unfinished.add(this);
        }

        /** Makes the bytes durable, then gives the file its name. */
        void rename(LayerName name) {
            out.sync();
            out.close();
            bytes += out.size();
            String path = timeline.layerPath(name);
            if (exists(name)) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT, "%s: there is such a layer already", path);
            }
            disk.rename(temporary, path);
            unfinished.remove(this);
            finished.add(name);
        }

        /** Gives it up. */
        void discard() {
            unfinished.remove(this);
            out.close();
            disk.delete(temporary);
        }
    }

    /** A delta layer that is being written. */
    final class Delta extends Output {
        private final DeltaLayerWriter writer;

        private Delta(LsnRange lsns, DeltaForm form) {
            TenantShardId tenant = index.tenant();
            TimelineId id = index.timeline();
            Limits limits = timeline.limits();
            writer =
                    switch (form) {
                        case MERGED -> new DeltaLayerWriter(out, tenant, id, lsns, limits);
                        case AT_REST -> DeltaLayerWriter.ofRest(out, tenant, id, lsns, limits);
                        case HISTORY -> DeltaLayerWriter.ofHistory(out, tenant, id, lsns, limits);
                    };
        }

        void append(long hi, long mid, long lo, long lsn, byte[] b, int at, int length) {
            writer.append(hi, mid, lo, lsn, b, at, length);
        }

        long size() {
            return writer.size();
        }

        long entries() {
            return writer.entries();
        }

        /** It covers these ranges, which hold all its entries. */
        void finish(KeyRange keys, LsnRange lsns) {
            long _ = writer.finish(keys, lsns);
            rename(LayerName.delta(keys, lsns, index.tenant(), index.generation()));
        }
    }

    /** An image layer that is being written. */
    final class Image extends Output {
        private final ImageLayerWriter writer;
        private final long lsn;

        private Image(long lsn, boolean complete) {
            this.lsn = lsn;
            writer =
                    new ImageLayerWriter(
                            out,
                            index.tenant(),
                            index.timeline(),
                            lsn,
                            complete,
                            timeline.limits());
        }

        void append(long hi, long mid, long lo, byte[] content, int at, int length) {
            writer.append(hi, mid, lo, content, at, length);
        }

        long size() {
            return writer.size();
        }

        long entries() {
            return writer.entries();
        }

        /** It covers the range, which holds all its keys. */
        void finish(KeyRange keys) {
            long _ = writer.finish(keys);
            rename(LayerName.image(keys, lsn, index.tenant(), index.generation()));
        }
    }

    /** A file that the index does not name is left over from a job that failed. */
    private boolean exists(LayerName name) {
        return disk.exists(timeline.layerPath(name))
                        && index.layers().stream().anyMatch(layer -> layer.name().equals(name))
                || timeline.stored().isGone(name);
    }

    /** Makes the names durable; answers the files, open. */
    List<LayerFile> seal() {
        Check.that(unfinished.isEmpty(), "%d layers are not finished", unfinished.size());
        if (!finished.isEmpty()) {
            disk.syncDirectory(timeline.directory());
        }
        for (LayerName name : finished) {
            opened.add(LayerFile.open(timeline.stored().place(), name, timeline.cache()));
        }
        return opened;
    }

    /**
     * The files are the index's business from now on: even if writing it fails, nobody knows
     * whether it names them.
     */
    void committed() {
        committed = true;
    }

    @Override
    public void close() {
        if (committed) {
            return;
        }
        opened.forEach(LayerFile::close);
        for (Output output : List.copyOf(unfinished)) {
            output.discard();
        }
        for (LayerName name : finished) {
            disk.delete(timeline.layerPath(name));
        }
    }
}
