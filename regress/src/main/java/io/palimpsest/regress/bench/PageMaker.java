package io.palimpsest.regress.bench;

import io.palimpsest.layer.Reconstruction;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.port.Subject;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.server.redo.PostgresLauncher;
import io.palimpsest.server.redo.WalRedoPool;
import io.palimpsest.timeline.HistoryRedo;
import java.nio.file.Path;

/** Makes a page of a chain, in one of the ways that are compared. One thread's. */
interface PageMaker extends AutoCloseable {
    /**
     * @param into {@link io.palimpsest.pg.Page#SIZE} bytes
     */
    void page(Reconstruction chain, byte[] into);

    @Override
    default void close() {}

    /** By this program's own redo. */
    static PageMaker jvm(RedoContext context) {
        HistoryRedo redo =
                new HistoryRedo(
                        context,
                        RedoEngine.NONE,
                        (event, subject, detail) -> complain(event.word()),
                        Subject.SERVER);
        return redo::redo;
    }

    /** By a process of the pool, which several makers may share. */
    static PageMaker process(RedoContext context, WalRedoPool pool) {
        HistoryRedo redo =
                new HistoryRedo(
                        context,
                        pool,
                        (event, subject, detail) -> complain(event.word()),
                        Subject.SERVER);
        return redo::redo;
    }

    private static void complain(String event) {
        throw new IllegalStateException(event);
    }

    /** Of PostgreSQL's redo, asked for all records. */
    static WalRedoPool pool(PostgresLauncher launcher, int processes) {
        return new WalRedoPool(
                launcher,
                new WalRedoPool.Settings(
                        RedoEngine.Mode.ALWAYS, processes, 10_000_000_000L, 60_000_000_000L));
    }

    /** Where Debian has PostgreSQL, and our library from {@code make walredo}. */
    static PostgresLauncher launcher(Path libraries) {
        return new PostgresLauncher(Path.of("/usr/lib/postgresql"), libraries, "");
    }

    /** No page: arithmetic in registers, as long as a short chain takes; what no memory slows. */
    static PageMaker spin() {
        return (chain, into) -> {
            long x = chain.lsn(0) | 1;
            for (int i = 0; i < 1000; i++) {
                x ^= x << 13;
                x ^= x >>> 7;
                x ^= x << 17;
            }
            into[0] = (byte) x;
        };
    }

    /** No page: six chains of arithmetic at once, which fill a core as one does not. */
    static PageMaker wide() {
        return (chain, into) -> {
            long a = chain.lsn(0) | 1;
            long b = a + 2;
            long c = a + 4;
            long d = a + 6;
            long e = a + 8;
            long f = a + 10;
            for (int i = 0; i < 500; i++) {
                a ^= a << 13;
                b ^= b << 13;
                c ^= c << 13;
                d ^= d << 13;
                e ^= e << 13;
                f ^= f << 13;
                a ^= a >>> 7;
                b ^= b >>> 7;
                c ^= c >>> 7;
                d ^= d >>> 7;
                e ^= e >>> 7;
                f ^= f >>> 7;
            }
            into[0] = (byte) (a ^ b ^ c ^ d ^ e ^ f);
        };
    }

    /** No redo: the base image copied and the records looked at, which only memory slows. */
    static PageMaker copy() {
        return (chain, into) -> {
            int base = chain.count() - 1;
            System.arraycopy(chain.bytes(), chain.offset(base) + 1, into, 0, into.length);
            byte sum = 0;
            for (int i = 0; i < chain.offset(base); i++) {
                sum ^= chain.bytes()[i];
            }
            into[0] = sum;
        };
    }
}
