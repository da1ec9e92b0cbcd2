package io.palimpsest.regress.bench;

import io.palimpsest.layer.Reconstruction;
import io.palimpsest.port.RedoEngine;
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
                        context, RedoEngine.NONE, (level, event, detail) -> complain(event));
        return redo::redo;
    }

    /** By a process of the pool, which several makers may share. */
    static PageMaker process(RedoContext context, WalRedoPool pool) {
        HistoryRedo redo =
                new HistoryRedo(context, pool, (level, event, detail) -> complain(event));
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
