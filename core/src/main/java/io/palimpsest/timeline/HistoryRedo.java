package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Event;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.port.RedoEngine.Values;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tracer;
import io.palimpsest.redo.PageMask;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Makes a page of its stored values, by this program's redo ({@link PageRedo}), by PostgreSQL's
 * own, or by both. Only WAL records are PostgreSQL's business; the other kinds of value are always
 * applied here, and so are all of a history of Neon's. One instance a reader.
 */
public final class HistoryRedo {
    private final RedoContext context;
    private final RedoEngine engine;
    private final Tracer tracer;
    private final Subject subject;
    private final PageRedo own;

    /**
     * @param engine PostgreSQL's own redo; not asked about Neon's WAL, whose records it would take
     *     for others
     * @param subject whose history it is
     */
    public HistoryRedo(RedoContext context, RedoEngine engine, Tracer tracer, Subject subject) {
        this.context = context;
        this.engine = context.origin() == WalOrigin.STOCK ? engine : RedoEngine.NONE;
        this.tracer = tracer;
        this.subject = subject;
        this.own = new PageRedo(context);
    }

    public RedoContext context() {
        return context;
    }

    /**
     * Makes the page, of all the values. What is in {@code page} before does not matter.
     *
     * @throws PageserverException CORRUPTION if a value does not fit the page, or if the two
     *     engines differ; UNSUPPORTED if no engine knows the record
     */
    public void redo(Values values, byte[] page) {
        switch (engine.mode()) {
            case WHERE_NEEDED -> {
                try {
                    byOwn(values, page);
                } catch (PageserverException e) {
                    if (e.code() != ErrorCode.UNSUPPORTED || !engine.knows(major())) {
                        throw e;
                    }
                    byEngine(values, page);
                }
            }
            case ALWAYS -> byEngine(values, page);
            case COMPARE -> byBoth(values, page);
        }
    }

    /**
     * The same by this program's redo alone, which never blocks.
     *
     * @return false if another engine has a say
     */
    public boolean tryRedo(Values values, byte[] page) {
        if (engine.mode() != RedoEngine.Mode.WHERE_NEEDED) {
            return false;
        }
        try {
            byOwn(values, page);
            return true;
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.UNSUPPORTED || !engine.knows(major())) {
                throw e;
            }
            return false;
        }
    }

    private int major() {
        return context.version().major();
    }

    private void byOwn(Values values, byte[] page) {
        Arrays.fill(page, (byte) 0);
        for (int i = values.count() - 1; i >= 0; i--) {
            own(values, i, page);
        }
    }

    private void own(Values values, int i, byte[] page) {
        own.apply(page, values.bytes(), values.offset(i), values.length(i), values.lsn(i));
    }

    /** Records that follow each other go to the engine at once. */
    private void byEngine(Values values, byte[] page) {
        Arrays.fill(page, (byte) 0);
        int i = values.count() - 1;
        while (i >= 0) {
            if (!isRecord(values, i)) {
                own(values, i--, page);
                continue;
            }
            int newest = i;
            while (newest > 0 && isRecord(values, newest - 1)) {
                newest--;
            }
            engine(values, i, newest, page);
            i = newest - 1;
        }
    }

    private void engine(Values values, int oldest, int newest, byte[] page) {
        engine.apply(major(), context.hintBitsLogged(), values, oldest, newest, page);
    }

    private static boolean isRecord(Values values, int i) {
        return values.length(i) > 0
                && StoredValue.kind(values.bytes(), values.offset(i)) == StoredValue.RECORD;
    }

    private void byBoth(Values values, byte[] page) {
        byte[] other = new byte[Page.SIZE];
        byEngine(values, other);
        try {
            byOwn(values, page);
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.UNSUPPORTED) {
                throw e;
            }
            System.arraycopy(other, 0, page, 0, Page.SIZE);
            return;
        }
        if (!agree(values, 0, page, other)) {
            throw difference(values);
        }
    }

    /**
     * Do two pages agree, but for what may differ between correct copies? Their LSNs must.
     *
     * @param newest the last value applied
     */
    private static boolean agree(Values values, int newest, byte[] page, byte[] other) {
        if (Arrays.equals(page, other)) {
            return true;
        }
        PageMask.Kind kind = kind(values, newest);
        if (kind == null || Page.lsn(page) != Page.lsn(other)) {
            return false;
        }
        byte[] masked = page.clone();
        byte[] otherMasked = other.clone();
        int block = (int) values.lo();
        PageMask.mask(masked, kind, block);
        PageMask.mask(otherMasked, kind, block);
        return Arrays.equals(masked, otherMasked);
    }

    /** What the page is, by the newest record that tells; null if none does. */
    private static PageMask.@Nullable Kind kind(Values values, int newest) {
        RecordSlice r = new RecordSlice();
        for (int i = newest; i < values.count(); i++) {
            if (isRecord(values, i)) {
                r.wrap(values.bytes(), values.offset(i), values.length(i), values.lsn(i));
                PageMask.Kind kind = PageMask.Kind.of(r.rmid(), r.fork());
                if (kind != null) {
                    return kind;
                }
            }
        }
        return null;
    }

    /** Finds the value that the engines disagree about, and logs all that it takes to try again. */
    private PageserverException difference(Values values) {
        byte[] page = new byte[Page.SIZE];
        for (int i = values.count() - 1; i >= 0; i--) {
            byte[] before = page.clone();
            own(values, i, page);
            if (!isRecord(values, i)) {
                continue;
            }
            byte[] other = before.clone();
            engine(values, i, i, other);
            if (!agree(values, i, page, other)) {
                String where =
                        String.format(
                                Locale.ROOT,
                                "PostgreSQL %d, page %s, record ending at %s",
                                major(),
                                new Key(values.hi(), values.mid(), values.lo()),
                                Lsn.toString(values.lsn(i)));
                int at = values.offset(i);
                tracer.event(
                        Event.REDO_ENGINES_DIFFER,
                        subject,
                        where
                                + ", hint bits logged: "
                                + context.hintBitsLogged()
                                + "\nvalue   "
                                + hex(values.bytes(), at, values.length(i))
                                + "\nbefore  "
                                + hex(before, 0, Page.SIZE)
                                + "\njvm     "
                                + hex(page, 0, Page.SIZE)
                                + "\nprocess "
                                + hex(other, 0, Page.SIZE));
                return PageserverException.corruption(
                        "the two redo engines differ first at byte %d: %s",
                        Arrays.mismatch(page, other), where);
            }
        }
        return PageserverException.corruption(
                "the two redo engines differ, but not record by record: page %s at %s",
                new Key(values.hi(), values.mid(), values.lo()), Lsn.toString(values.lsn(0)));
    }

    private static String hex(byte[] b, int at, int length) {
        return HexFormat.of().formatHex(b, at, at + length);
    }
}
