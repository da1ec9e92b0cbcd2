package io.palimpsest.redo;

import io.palimpsest.base.ByteSink;
import io.palimpsest.pg.HeapTuple;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import java.util.Arrays;

/** Heap pages and tuples, drawn by hand. */
final class HeapPages {
    private HeapPages() {}

    static byte[] empty() {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 0);
        return page;
    }

    /** Tuples of xid 700 with no nulls, each with the user data of one string. */
    static byte[] withTuples(String... userData) {
        byte[] page = empty();
        for (int i = 0; i < userData.length; i++) {
            byte[] tuple = tuple(700, 0, i + 1, 0x0001, 0x0902, userData[i]);
            PageItems.insert(page, i + 1, tuple, 0, tuple.length);
        }
        return page;
    }

    /** A tuple of block 0 whose user data start at 24. */
    static byte[] tuple(
            int xmin, int xmax, int offset, int infomask2, int infomask, String userData) {
        ByteSink out = new ByteSink(64);
        out.i32(xmin);
        out.i32(xmax);
        out.i32(0);
        out.i32(0);
        out.u16(offset);
        out.u16(infomask2);
        out.u16(infomask);
        out.u8(24);
        out.u8(0);
        out.bytes(ascii(userData));
        return out.toByteArray();
    }

    static byte[] ascii(String s) {
        byte[] b = new byte[s.length()];
        for (int i = 0; i < b.length; i++) {
            b[i] = (byte) s.charAt(i);
        }
        return b;
    }

    static byte[] item(byte[] page, int offset) {
        int at = Page.item(page, offset);
        return Arrays.copyOfRange(page, at, at + Page.itemLength(page, offset));
    }

    static int infomask(byte[] page, int offset) {
        return HeapTuple.infomask(page, HeapTuple.at(page, offset));
    }

    static int infomask2(byte[] page, int offset) {
        return HeapTuple.infomask2(page, HeapTuple.at(page, offset));
    }
}
