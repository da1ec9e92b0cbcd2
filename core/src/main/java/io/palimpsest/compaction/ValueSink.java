package io.palimpsest.compaction;

/** Takes stored values in order of key, then LSN. */
public interface ValueSink {
    /** The value is {@code b[at .. at+length)}, valid during the call. */
    void value(long hi, long mid, long lo, long lsn, byte[] b, int at, int length);
}
