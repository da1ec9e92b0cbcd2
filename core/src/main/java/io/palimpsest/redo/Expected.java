package io.palimpsest.redo;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.wal.Rmgr;

/** What a record must be like for its redo to begin. */
final class Expected {
    private Expected() {}

    static void mainLength(RecordSlice r, int expected) {
        if (r.mainLength() != expected) {
            throw PageserverException.corruption(
                    "main data: expected %d bytes, found %d", expected, r.mainLength());
        }
    }

    /** For records that may go on, with parts redo does not need. */
    static void mainLengthAtLeast(RecordSlice r, int expected) {
        if (r.mainLength() < expected) {
            throw PageserverException.corruption(
                    "main data: expected at least %d bytes, found %d", expected, r.mainLength());
        }
    }

    static void dataLength(RecordSlice r, int expected) {
        if (r.dataLength() != expected) {
            throw PageserverException.corruption(
                    "block data: expected %d bytes, found %d", expected, r.dataLength());
        }
    }

    /** The cursor must have come to the end of the block's data, no less and no more. */
    static void endOfData(RecordSlice r, int cursor) {
        if (cursor != r.dataOffset() + r.dataLength()) {
            throw PageserverException.corruption(
                    "block data: expected to end after %d bytes, found %d",
                    cursor - r.dataOffset(), r.dataLength());
        }
    }

    /** Room for {@code length} bytes of the block's data at the cursor. */
    static void dataLeft(RecordSlice r, int cursor, int length) {
        int left = r.dataOffset() + r.dataLength() - cursor;
        if (length < 0 || length > left) {
            throw PageserverException.corruption(
                    "block data: expected %d bytes more, found %d", length, left);
        }
    }

    /** Starts the page anew; the record must say so of the block as well. */
    static void initPage(byte[] page, RecordSlice r, int specialSize) {
        if (!r.willInit()) {
            throw PageserverException.corruption("a record that initialises a block not marked so");
        }
        Page.init(page, specialSize);
    }

    static PageserverException noSuchBlock(RecordSlice r) {
        return PageserverException.corruption(
                "%s record info %02X changes no block with id %d of fork %d",
                Rmgr.name(r.rmid()), r.info(), r.blockId(), r.fork());
    }
}
