package io.palimpsest.port;

/** Byte streams to other processes. */
public interface Net {
    /** A connected stream. One task reads and one (maybe another) writes at a time. */
    interface Connection extends AutoCloseable {
        /**
         * Waits up to {@code timeoutNanos} for bytes and reads some; an IO error if the stream is
         * broken or closed on this side.
         *
         * @return how many (&gt; 0), 0 if the time passed, -1 at the end of the stream
         */
        int read(byte[] into, int offset, int length, long timeoutNanos);

        /** Writes all of it; an IO error if the peer is gone. */
        void write(byte[] bytes, int offset, int length);

        /** Ends the stream both ways; a blocked read or write fails with an IO error. */
        @Override
        void close();
    }

    /** Connects or fails with an IO error naming the address. */
    Connection connect(String host, int port, long timeoutNanos);
}
