package io.palimpsest.compaction;

/** Takes the contents of an image layer in key order. */
public interface ContentSink {
    /**
     * The content (without the kind byte of a stored value; empty is a tombstone, or a page of
     * zeros) is {@code b[at .. at+length)}, valid during the call.
     */
    void content(long hi, long mid, long lo, byte[] b, int at, int length);
}
