package io.palimpsest.redo;

import io.palimpsest.base.ByteSink;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.WalRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** A record made by hand, as stored for one of its blocks, and pages to apply it to. */
final class IndexRecord {
    static final long PAGE_LSN = 0x1_0000_1000L;
    static final long RECORD_LSN = 0x1_0000_2000L;
    private static final int APPLIED_WHOLE_IMAGE = 2;

    private record Block(int id, int number, boolean init) {}

    private final int rmid;
    private final int info;
    private final List<Block> blocks = new ArrayList<>();
    private byte[] main = {};

    IndexRecord(int rmid, int info) {
        this.rmid = rmid;
        this.info = info;
    }

    IndexRecord block(int id, int number) {
        blocks.add(new Block(id, number, false));
        return this;
    }

    IndexRecord initBlock(int id, int number) {
        blocks.add(new Block(id, number, true));
        return this;
    }

    IndexRecord main(Consumer<ByteSink> content) {
        main = bytes(content);
        return this;
    }

    /** The value stored for the block of this id. */
    byte[] value(int id, Consumer<ByteSink> data) {
        return value(id, new byte[0], bytes(data));
    }

    byte[] value(int id) {
        return value(id, out -> {});
    }

    /** The value stored for the block of this id, with an image to apply. */
    byte[] valueWithImage(int id, byte[] image) {
        return value(id, image, new byte[0]);
    }

    private byte[] value(int id, byte[] image, byte[] data) {
        return bytes(out -> {
            out.u8(StoredValue.RECORD);
            out.u8(0);
            out.u8(rmid);
            out.u8(info);
            out.i32(7);
            for (int i = 0; i < blocks.size(); i++) {
                if (blocks.get(i).id() == id) {
                    out.u8(i);
                }
            }
            out.u8(blocks.size());
            for (Block block : blocks) {
                out.u8(block.id());
                out.u8(block.init() ? WalRecord.WILL_INIT : 0);
                out.i32(block.number());
            }
            out.u16(data.length);
            out.u8(image.length == 0 ? 0 : APPLIED_WHOLE_IMAGE);
            if (image.length > 0) {
                out.u16(image.length);
                out.u16(0);
                out.u16(0);
                out.bytes(image);
            }
            out.bytes(data);
            out.bytes(main);
        });
    }

    static byte[] bytes(Consumer<ByteSink> content) {
        ByteSink out = new ByteSink(256);
        content.accept(out);
        return out.toByteArray();
    }

    static void u16s(ByteSink out, int... values) {
        for (int value : values) {
            out.u16(value);
        }
    }

    static void i32s(ByteSink out, int... values) {
        for (int value : values) {
            out.i32(value);
        }
    }

    /** Six bytes: block high, block low, offset. */
    static void tid(ByteSink out, int block, int offset) {
        u16s(out, block >>> 16, block, offset);
    }

    /** An index tuple of {@code size} bytes, its key filled with {@code key}. */
    static byte[] tuple(int block, int offset, int infoBits, int size, int key) {
        return bytes(out -> {
            tid(out, block, offset);
            out.u16(infoBits | size);
            for (int i = IndexTuple.HEADER; i < size; i++) {
                out.u8(key);
            }
        });
    }

    /** A page with a special area and items. */
    static byte[] page(byte[] special, List<byte[]> items) {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, special.length);
        Page.setLsn(page, PAGE_LSN);
        System.arraycopy(special, 0, page, Page.SIZE - special.length, special.length);
        for (byte[] item : items) {
            PageItems.insert(page, Page.maxOffset(page) + 1, item, 0, item.length);
        }
        return page;
    }

    static byte[] item(byte[] page, int offset) {
        int at = Page.item(page, offset);
        return java.util.Arrays.copyOfRange(page, at, at + Page.itemLength(page, offset));
    }

    static List<byte[]> items(byte[] page) {
        List<byte[]> items = new ArrayList<>();
        for (int i = 1; i <= Page.maxOffset(page); i++) {
            items.add(item(page, i));
        }
        return items;
    }

    /** The page after redo of the value. */
    static byte[] redo(PgVersion version, byte[] page, byte[] value) {
        byte[] result = page.clone();
        new PageRedo(new RedoContext(version, true))
                .apply(result, value, 0, value.length, RECORD_LSN);
        return result;
    }

    static byte[] redo(byte[] page, byte[] value) {
        return redo(PgVersion.V17, page, value);
    }
}
