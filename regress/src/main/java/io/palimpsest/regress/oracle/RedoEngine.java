package io.palimpsest.regress.oracle;

import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RedoCheck;
import io.palimpsest.redo.RedoContext;

/** The engine that is put to the test. */
interface RedoEngine extends RedoCheck.Engine, AutoCloseable {
    @Override
    void close();

    /**
     * @param name "jvm"
     */
    static RedoEngine open(String name, RedoContext context) {
        return switch (name) {
            case "jvm" -> new Jvm(new PageRedo(context));
            default ->
                    throw new IllegalArgumentException(
                            "engine '" + name + "': expected jvm");
        };
    }

    /** The page server's own. */
    record Jvm(PageRedo redo) implements RedoEngine {
        @Override
        public void apply(byte[] page, byte[] value, int at, int length, long lsn) {
            redo.apply(page, value, at, length, lsn);
        }

        @Override
        public void close() {}
    }
}
