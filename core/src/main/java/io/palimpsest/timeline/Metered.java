package io.palimpsest.timeline;

import io.palimpsest.port.Disk;

/** A file whose writing is metered. */
final class Metered implements Disk.Output {
    private final Disk.Output out;
    private final JobMeter meter;

    Metered(Disk.Output out, JobMeter meter) {
        this.out = out;
        this.meter = meter;
    }

    @Override
    public void append(byte[] bytes, int offset, int length) {
        out.append(bytes, offset, length);
        meter.wrote(length);
    }

    @Override
    public long size() {
        return out.size();
    }

    @Override
    public void sync() {
        out.sync();
    }

    @Override
    public void close() {
        out.close();
    }
}
