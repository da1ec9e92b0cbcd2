package io.palimpsest.redo;

import io.palimpsest.base.ByteSink;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.PageImage;
import io.palimpsest.wal.WalRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** A stored record slice, drawn by hand. */
final class RecordValue {
    static final long LSN = 0x2_0000_1000L;

    private record Block(int id, int forkFlags, int number) {}

    private final int rmid;
    private final int info;
    private int xid;
    private int own;
    private final List<Block> blocks = new ArrayList<>();
    private byte[] data = new byte[0];
    private byte[] main = new byte[0];
    private byte[] image = new byte[0];

    RecordValue(int rmid, int info) {
        this.rmid = rmid;
        this.info = info;
    }

    RecordValue xid(int value) {
        xid = value;
        return this;
    }

    RecordValue block(int id, int number) {
        return block(id, RelTag.MAIN, number);
    }

    RecordValue initBlock(int id, int number) {
        return block(id, WalRecord.WILL_INIT, number);
    }

    RecordValue vmBlock(int id, int number) {
        return block(id, RelTag.VM, number);
    }

    private RecordValue block(int id, int forkFlags, int number) {
        blocks.add(new Block(id, forkFlags, number));
        return this;
    }

    /** The block that is redone; the first if not said. */
    RecordValue own(int id) {
        for (int i = 0; i < blocks.size(); i++) {
            if (blocks.get(i).id == id) {
                own = i;
                return this;
            }
        }
        throw new AssertionError("no block " + id);
    }

    RecordValue data(Consumer<ByteSink> writer) {
        data = bytes(writer);
        return this;
    }

    RecordValue main(Consumer<ByteSink> writer) {
        main = bytes(writer);
        return this;
    }

    RecordValue image(byte[] page) {
        image = page.clone();
        return this;
    }

    static byte[] bytes(Consumer<ByteSink> writer) {
        ByteSink out = new ByteSink(64);
        writer.accept(out);
        return out.toByteArray();
    }

    byte[] encode() {
        return bytes(out -> {
            out.u8(StoredValue.RECORD);
            out.u8(0);
            out.u8(rmid);
            out.u8(info);
            out.i32(xid);
            out.u8(own);
            out.u8(blocks.size());
            for (Block block : blocks) {
                out.u8(block.id);
                out.u8(block.forkFlags);
                out.i32(block.number);
            }
            out.u16(data.length);
            out.u8(image.length > 0 ? PageImage.APPLY : 0);
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

    void applyTo(byte[] page, RedoContext context) {
        byte[] value = encode();
        new PageRedo(context).apply(page, value, 0, value.length, LSN);
    }

    void applyTo(byte[] page, PgVersion version, boolean hintBitsLogged) {
        applyTo(page, new RedoContext(version, hintBitsLogged));
    }

    void applyTo(byte[] page, PgVersion version) {
        applyTo(page, version, true);
    }
}
