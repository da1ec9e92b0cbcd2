package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.u16;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.value.RecordSlice;

/**
 * Checked access to the parts of a record slice: the record's CRC was right, but nothing says that
 * the lengths inside are, and what follows a slice in its array belongs to someone else.
 */
final class RecordParts {
    private RecordParts() {}

    /** Where the main data starts; it must have at least {@code bytes}. */
    static int main(RecordSlice r, int bytes) {
        require(r.mainOffset(), bytes, mainEnd(r));
        return r.mainOffset();
    }

    static int mainEnd(RecordSlice r) {
        return r.mainOffset() + r.mainLength();
    }

    /** Where the block's data starts; it must have at least {@code bytes}. */
    static int data(RecordSlice r, int bytes) {
        require(r.dataOffset(), bytes, dataEnd(r));
        return r.dataOffset();
    }

    static int dataEnd(RecordSlice r) {
        return r.dataOffset() + r.dataLength();
    }

    /** The {@code bytes} from {@code at} on must end at or before {@code end}. */
    static void require(int at, int bytes, int end) {
        if (bytes < 0 || end - at < bytes) {
            throw PageserverException.corruption(
                    "record data cut short: expected %d bytes, found %d", bytes, end - at);
        }
    }

    /** What was read of the data must have ended where the data does. */
    static void requireEnd(int at, int end) {
        if (at != end) {
            throw PageserverException.corruption(
                    "record data does not end where its content does: %d bytes left", end - at);
        }
    }

    /** An array of u16 item numbers. */
    static int[] offsets(byte[] b, int at, int count, int end) {
        require(at, 2 * count, end);
        int[] offsets = new int[count];
        for (int i = 0; i < count; i++) {
            offsets[i] = u16(b, at + 2 * i);
        }
        return offsets;
    }

    static PageserverException unknownRecord(RecordSlice r, RedoContext context) {
        return PageserverException.of(
                ErrorCode.UNSUPPORTED,
                "no such record in PostgreSQL %d: info %02X",
                context.version().major(),
                r.info());
    }

    /** This kind of record has no block of this id. */
    static PageserverException unexpectedBlock(RecordSlice r) {
        return PageserverException.corruption("unexpected block id %d", r.blockId());
    }

    /** This kind of record always carries an image of this block. */
    static PageserverException imageExpected(RecordSlice r) {
        return PageserverException.corruption(
                "expected an image of block id %d, found none", r.blockId());
    }
}
