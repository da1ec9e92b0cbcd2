package io.palimpsest.layer;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;

/** Goes through the entries of a layer file with a key in a range. */
final class FileCursor implements LayerCursor {
    private final LayerReader file;
    private final byte[] root;
    private final KeyRange range;
    private final boolean keep;
    private final EntryReader e = new EntryReader();
    private int indexBlock;
    private int row;
    private byte[] rows = new byte[0];
    private byte[] data = new byte[0];
    private long position;
    private boolean inBlock;
    private boolean done;

    /**
     * @param keep data blocks in the cache
     */
    FileCursor(LayerReader file, KeyRange range, boolean keep) {
        this.file = file;
        this.keep = keep;
        root = file.root();
        this.range = range;
        Key k = range.start();
        // The range may start within the last block that starts before it. No entry is at LSN
        // 0, so no row is equal.
        indexBlock = Math.max(0, LayerFormat.lastRow(root, k.hi(), k.mid(), k.lo(), 0));
        if (root.length == 0) {
            done = true;
        } else {
            rows = file.blockNow(root, indexBlock, LayerFormat.TYPE_INDEX, true);
            row = Math.max(0, LayerFormat.lastRow(rows, k.hi(), k.mid(), k.lo(), 0));
        }
    }

    @Override
    public boolean next() {
        while (!done) {
            while (inBlock && e.next()) {
                Key end = range.end();
                if (Key.compare(e.hi, e.mid, e.lo, end.hi(), end.mid(), end.lo()) >= 0) {
                    done = true;
                    return false;
                }
                if (range.contains(e.hi, e.mid, e.lo)) {
                    return true;
                }
            }
            nextBlock();
        }
        return false;
    }

    private void nextBlock() {
        if (row == rows.length / LayerFormat.ROW_BYTES) {
            if (++indexBlock == root.length / LayerFormat.ROW_BYTES) {
                done = true;
                return;
            }
            rows = file.blockNow(root, indexBlock, LayerFormat.TYPE_INDEX, true);
            row = 0;
        }
        position = LayerFormat.position(rows, row);
        data = file.blockNow(rows, row++, LayerFormat.TYPE_DATA, keep);
        e.open(file.path(), position, data, 0, LayerFormat.groups(data), file.header().baseLsn());
        inBlock = true;
    }

    /** Of the current entry's block, for errors. */
    long position() {
        return position;
    }

    @Override
    public long hi() {
        return e.hi;
    }

    @Override
    public long mid() {
        return e.mid;
    }

    @Override
    public long lo() {
        return e.lo;
    }

    @Override
    public long lsn() {
        return e.lsn;
    }

    @Override
    public byte[] bytes() {
        return data;
    }

    @Override
    public int offset() {
        return e.at;
    }

    @Override
    public int length() {
        return e.length;
    }
}
