package io.palimpsest.value;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import org.jspecify.annotations.Nullable;

/** A timeline as of one LSN, for keys that hold only images (directories, sizes, maps). */
public interface ReadView {
    /** Receives what a scan finds. */
    interface Visitor {
        void visit(Key key, byte[] content);
    }

    /**
     * The content under the key, or null if there is none (never written, or a tombstone). May
     * block on disk.
     */
    byte @Nullable [] image(Key key);

    /** All keys of the range with a content, in key order. */
    void scan(KeyRange range, Visitor visitor);
}
