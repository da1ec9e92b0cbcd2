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
import java.util.concurrent.TimeUnit;

/** The engine that is put to the test. */
interface OracleEngine extends RedoCheck.Engine, AutoCloseable {
    @Override
    void close();

    /**
     * Makes it ready.
     *
     * @param name "jvm" or "process"
     * @param libraries where {@code make walredo} puts its libraries
     */
    static OracleEngine open(String name, RedoContext context, Path libraries) {
        RedoCheck.Engine ours = RedoCheck.Engine.of(new PageRedo(context));
        return switch (name) {
            case "jvm" -> new Jvm(ours);
            case "process" -> PostgresRedo.open(context, ours, libraries);
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

    /** PostgreSQL's own; what is no record of PostgreSQL's is left to ours, as in the server. */
    record PostgresRedo(RedoContext context, WalRedoPool pool, RedoCheck.Engine ours)
            implements OracleEngine {
        private static final Path POSTGRES = Path.of("/usr/lib/postgresql");

        static PostgresRedo open(RedoContext context, RedoCheck.Engine ours, Path libraries) {
            int major = context.version().major();
            PostgresLauncher launcher = new PostgresLauncher(POSTGRES, libraries, "");
            if (launcher.command(major, context.hintBitsLogged()) == null) {
                throw new IllegalStateException(
                        String.format(
                                "no redo process for PostgreSQL %d: expected %s/%d/bin/postgres and"
                                        + " %s/%d/walredo.so (make walredo)",
                                major, POSTGRES, major, launcher.libraryDirectory(), major));
            }
            WalRedoPool.Settings settings =
                    new WalRedoPool.Settings(
                            RedoEngine.Mode.ALWAYS,
                            1,
                            TimeUnit.SECONDS.toNanos(20),
                            TimeUnit.MINUTES.toNanos(10));
            return new PostgresRedo(context, new WalRedoPool(launcher, settings), ours);
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
                ours.apply(change, page);
            }
        }

        @Override
        public void close() {
            pool.close();
        }
    }

    /** A history of one value. */
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
