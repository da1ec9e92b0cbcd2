package io.palimpsest.regress.oracle;

import io.palimpsest.base.Key;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RedoCheck;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.server.redo.PostgresLauncher;
import io.palimpsest.server.redo.WalRedoPool;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import java.nio.file.Path;

/** The engine that is put to the test. */
interface OracleEngine extends RedoCheck.Engine, AutoCloseable {
    @Override
    void close();

    /**
     * Makes it ready.
     *
     * @param name "jvm" or "process"
     */
    static OracleEngine open(String name, RedoContext context) {
        return switch (name) {
            case "jvm" -> new Jvm(RedoCheck.Engine.of(new PageRedo(context)));
            case "process" -> Process.of(context);
            default ->
                    throw new IllegalArgumentException(
                            "engine '" + name + "': expected jvm or process");
        };
    }

    /** The page server's own. */
    record Jvm(RedoCheck.Engine redo) implements OracleEngine {
        @Override
        public void apply(RedoCheck.Change change, byte[] page) {
            redo.apply(change, page);
        }

        @Override
        public void close() {}
    }

    /**
     * PostgreSQL's own, in a process; what is not a record (a cleared visibility bit) is the page
     * server's business.
     */
    record Process(WalRedoPool pool, RedoCheck.Engine own, RedoContext context)
            implements OracleEngine {
        static Process of(RedoContext context) {
            PostgresLauncher launcher =
                    new PostgresLauncher(
                            Path.of("/usr/lib/postgresql"),
                            Path.of("server", "target", "walredo"),
                            "");
            if (launcher.command(context.version().major(), true) == null) {
                throw new IllegalArgumentException(
                        "no redo process for PostgreSQL "
                                + context.version().major()
                                + ": see make walredo");
            }
            return new Process(
                    new WalRedoPool(
                            launcher,
                            new WalRedoPool.Settings(
                                    RedoEngine.Mode.ALWAYS, 1, 60_000_000_000L, 60_000_000_000L)),
                    RedoCheck.Engine.of(new PageRedo(context)),
                    context);
        }

        @Override
        public void apply(RedoCheck.Change change, byte[] page) {
            if (StoredValue.kind(change.value(), 0) == StoredValue.RECORD) {
                pool.apply(
                        context.version().major(),
                        context.hintBitsLogged(),
                        new OneValue(change, Keys.block(change.relation(), change.block())),
                        0,
                        0,
                        page);
            } else {
                own.apply(change, page);
            }
        }

        @Override
        public void close() {
            pool.close();
        }
    }

    /** A change as the history of a page. */
    record OneValue(RedoCheck.Change change, Key key) implements RedoEngine.Values {
        @Override
        public int count() {
            return 1;
        }

        @Override
        public long lsn(int i) {
            return change.lsn();
        }

        @Override
        public int offset(int i) {
            return 0;
        }

        @Override
        public int length(int i) {
            return change.length();
        }

        @Override
        public byte[] bytes() {
            return change.value();
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
}
