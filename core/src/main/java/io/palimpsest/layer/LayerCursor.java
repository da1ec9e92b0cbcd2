package io.palimpsest.layer;

/**
 * Goes through the entries of layers in order of key, then LSN, then writing. Not to be used by two
 * tasks at once.
 */
public sealed interface LayerCursor permits OpenLayer.Sorted, FileCursor, LsnCursor, MergeCursor {
    /** Steps to the next entry (at first: to the first one); false after the last. */
    boolean next();

    long hi();

    long mid();

    long lo();

    long lsn();

    /** Holds the stored value at {@link #offset}, {@link #length} bytes; not to be changed. */
    byte[] bytes();

    int offset();

    int length();
}
