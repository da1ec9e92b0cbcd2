package io.palimpsest.layer;

import io.palimpsest.base.LsnRange;

/** Those entries of another cursor whose LSNs are in a range. */
public final class LsnCursor implements LayerCursor {
    private final LayerCursor all;
    private final LsnRange range;

    public LsnCursor(LayerCursor all, LsnRange range) {
        this.all = all;
        this.range = range;
    }

    @Override
    public boolean next() {
        while (all.next()) {
            if (range.contains(all.lsn())) {
                return true;
            }
        }
        return false;
    }

    @Override
    public long hi() {
        return all.hi();
    }

    @Override
    public long mid() {
        return all.mid();
    }

    @Override
    public long lo() {
        return all.lo();
    }

    @Override
    public long lsn() {
        return all.lsn();
    }

    @Override
    public byte[] bytes() {
        return all.bytes();
    }

    @Override
    public int offset() {
        return all.offset();
    }

    @Override
    public int length() {
        return all.length();
    }
}
