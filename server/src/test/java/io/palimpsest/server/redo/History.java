package io.palimpsest.server.redo;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Key;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.WalRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** The values of one page, as added: oldest first. */
final class History implements RedoEngine.Values {
    private record Value(long lsn, int offset, int length) {}

    private final Key key;
    private final ByteSink bytes = new ByteSink(1024);
    private final List<Value> values = new ArrayList<>();

    History(RelTag tag, int block) {
        key = Keys.block(tag, block);
    }

    /** A history with one record, before which the page was {@code before}. */
    static History of(byte[] before, WalRecord r, int i) {
        History history =
                new History(new RelTag(r.spc(i), r.db(i), r.rel(i), r.fork(i)), r.blockNumber(i));
        return history.image(r.startLsn(), before).record(r, i);
    }

    History image(long lsn, byte[] page) {
        return add(lsn, out -> StoredValue.image(out, page, 0, page.length));
    }

    History record(WalRecord r, int i) {
        return add(r.endLsn(), out -> StoredValue.record(out, r, i));
    }

    History add(long lsn, Consumer<ByteSink> writer) {
        int at = bytes.size();
        writer.accept(bytes);
        values.addFirst(new Value(lsn, at, bytes.size() - at));
        return this;
    }

    @Override
    public int count() {
        return values.size();
    }

    @Override
    public long lsn(int i) {
        return values.get(i).lsn;
    }

    @Override
    public int offset(int i) {
        return values.get(i).offset;
    }

    @Override
    public int length(int i) {
        return values.get(i).length;
    }

    @Override
    public byte[] bytes() {
        return bytes.array();
    }

    @Override
    public long hi() {
        return key.hi();
    }

    @Override
    public long mid() {
        return key.mid();
    }

    @Override
    public long lo() {
        return key.lo();
    }
}
