package io.palimpsest.regress.oracle;

import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RedoCheck;
import io.palimpsest.redo.RedoContext;

/** The engine that is put to the test. */
interface OracleEngine extends RedoCheck.Engine, AutoCloseable {
    @Override
    void close();

    /**
     * Makes it ready.
     *
     * @param name "jvm"
     */
    static OracleEngine open(String name, RedoContext context) {
        return switch (name) {
            case "jvm" -> new Jvm(RedoCheck.Engine.of(new PageRedo(context)));
            default -> throw new IllegalArgumentException("engine '" + name + "': expected jvm");
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
}
