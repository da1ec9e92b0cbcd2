package io.palimpsest.redo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Event;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tracer;
import io.palimpsest.timeline.HistoryRedo;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which engine is asked for what. */
final class HistoryRedoTest {
    private static final long LSN = 0x2_0000_1000L;
    private static final RedoContext CONTEXT = new RedoContext(PgVersion.V15, true);

    /** Redoes like the JVM, and then changes what it is told to. */
    private static final class Fake implements RedoEngine {
        final Mode mode;
        final List<String> asked = new ArrayList<>();
        int wrongByteAt = -1;

        Fake(Mode mode) {
            this.mode = mode;
        }

        @Override
        public Mode mode() {
            return mode;
        }

        @Override
        public boolean knows(int majorVersion) {
            return majorVersion == 15;
        }

        @Override
        public void apply(
                int majorVersion,
                boolean hintBitsLogged,
                Values values,
                int oldest,
                int newest,
                byte[] page) {
            asked.add(oldest + ".." + newest);
            for (int i = oldest; i >= newest; i--) {
                byte[] b = values.bytes();
                int at = values.offset(i);
                if (b[at + 2] == (byte) 200) {
                    page[Page.SIZE - 1] = 42;
                    Page.setLsn(page, values.lsn(i));
                } else {
                    new PageRedo(CONTEXT).apply(page, b, at, values.length(i), values.lsn(i));
                }
            }
            if (wrongByteAt >= 0) {
                page[wrongByteAt] ^= 1;
            }
        }
    }

    private static final class Events implements Tracer {
        final List<String> seen = new ArrayList<>();

        @Override
        public void event(Event event, Subject subject, String detail) {
            seen.add(event.word() + " " + detail);
        }
    }

    private final Events events = new Events();
    private final byte[] page = new byte[Page.SIZE];

    /** A page in use up to byte 2000, and two records that set four bytes of it. */
    private static Reconstruction history(int rmid) {
        byte[] image = new byte[Page.SIZE + 1];
        image[0] = StoredValue.IMAGE;
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 0);
        Page.setLower(page, 2000);
        System.arraycopy(page, 0, image, 1, Page.SIZE);
        Reconstruction values = new Reconstruction();
        var key = Keys.block(new RelTag(1663, 5, 16384, RelTag.MAIN), 0);
        values.reset(key.hi(), key.mid(), key.lo(), LSN);
        byte[] record = generic(rmid);
        values.add(LSN, record, 0, record.length);
        values.add(LSN - 8, record, 0, record.length);
        values.add(LSN - 16, image, 0, image.length);
        return values;
    }

    /** Sets four bytes: the delta is { u16 offset, u16 length, bytes }. */
    private static byte[] generic(int rmid) {
        ByteSink out = new ByteSink(64);
        out.u8(StoredValue.RECORD);
        out.u8(0);
        out.u8(rmid);
        out.u8(0);
        out.i32(700);
        out.u8(0);
        out.u8(1);
        out.u8(0);
        out.u8(WalRecord.HAS_DATA);
        out.i32(0);
        out.u16(8);
        out.u8(0);
        out.u16(100);
        out.u16(4);
        out.i32(0x01020304);
        return out.toByteArray();
    }

    private void redo(Fake engine, Reconstruction values) {
        new HistoryRedo(CONTEXT, engine, events, Subject.SERVER).redo(values, page);
    }

    @Test
    void theJvmDoesWhatItKnowsAlone() {
        Fake engine = new Fake(RedoEngine.Mode.WHERE_NEEDED);
        redo(engine, history(Rmgr.GENERIC));
        assertEquals(List.of(), engine.asked);
        assertEquals(4, page[100]);
    }

    @Test
    void theEngineDoesWhatTheJvmDoesNotKnow() {
        Fake engine = new Fake(RedoEngine.Mode.WHERE_NEEDED);
        redo(engine, history(200));
        assertEquals(List.of("1..0"), engine.asked);
        assertEquals(42, page[Page.SIZE - 1]);
        HistoryRedo tried = new HistoryRedo(CONTEXT, engine, events, Subject.SERVER);
        assertEquals(false, tried.tryRedo(history(200), page));
        assertEquals(true, tried.tryRedo(history(Rmgr.GENERIC), page));
    }

    @Test
    void withoutAnEngineItIsUnsupported() {
        HistoryRedo redo = new HistoryRedo(CONTEXT, RedoEngine.NONE, events, Subject.SERVER);
        PageserverException e =
                assertThrows(PageserverException.class, () -> redo.redo(history(200), page));
        assertEquals(ErrorCode.UNSUPPORTED, e.code());
    }

    @Test
    void recordsGoToTheEngineTogetherAndImagesDoNot() {
        Fake engine = new Fake(RedoEngine.Mode.ALWAYS);
        redo(engine, history(Rmgr.GENERIC));
        assertEquals(List.of("1..0"), engine.asked);
    }

    @Test
    void neonsRecordsAreNotForPostgres() {
        Fake engine = new Fake(RedoEngine.Mode.ALWAYS);
        RedoContext neon = new RedoContext(PgVersion.V15, WalOrigin.NEON, true);
        new HistoryRedo(neon, engine, events, Subject.SERVER).redo(history(Rmgr.GENERIC), page);
        assertEquals(List.of(), engine.asked);
    }

    @Test
    void agreementIsQuiet() {
        redo(new Fake(RedoEngine.Mode.COMPARE), history(Rmgr.GENERIC));
        assertEquals(List.of(), events.seen);
    }

    /** Byte 5000 is in the hole, which masks hide; byte 14 is pd_upper. */
    @Test
    void aDifferenceIsAnErrorThatCanBeTriedAgain() {
        Fake engine = new Fake(RedoEngine.Mode.COMPARE);
        engine.wrongByteAt = 5000;
        redo(engine, history(Rmgr.GENERIC));
        engine.wrongByteAt = 14;
        PageserverException e =
                assertThrows(PageserverException.class, () -> redo(engine, history(Rmgr.GENERIC)));
        assertEquals(ErrorCode.CORRUPTION, e.code());
        assertTrue(e.getMessage().contains("differ first at byte 14"), e.getMessage());
        assertEquals(1, events.seen.size());
        assertTrue(events.seen.getFirst().startsWith("redo-engines-differ"));
        assertTrue(events.seen.getFirst().contains("\nbefore  "));
    }
}
