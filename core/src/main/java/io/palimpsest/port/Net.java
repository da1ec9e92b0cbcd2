package io.palimpsest.port;

/** Byte streams to other processes. */
public interface Net {
    /** Takes what arrived, see {@link Connection#offer}. Must not block or take long. */
    interface Receiver {
        /**
         * @return true if nothing is left to do; false makes the waiting {@link Connection#read}
         *     return 0, so that the reader goes on
         */
        boolean take(byte[] bytes, int offset, int length);
    }

    /** A connected stream. One task reads and one (maybe another) writes at a time. */
    interface Connection extends AutoCloseable {
        /**
         * Waits up to {@code timeoutNanos} for bytes and reads some; an IO error if the stream is
         * broken or closed on this side.
         *
         * @return how many (&gt; 0), 0 if the time passed or a {@link Receiver} has left something
         *     to do, -1 at the end of the stream
         */
        int read(byte[] into, int offset, int length, long timeoutNanos);

        /**
         * Offers to take bytes that arrive while {@link #read} waits on the very thread that
         * received them, which saves waking the reader. A world may decline by doing nothing; one
         * that accepts never runs reader and receiver at the same time, and what one has written to
         * memory the other sees.
         */
        default void offer(Receiver receiver) {}

        /**
         * For a {@link Receiver}: writes all of it if that needs no waiting, else nothing.
         *
         * @return whether it was written
         */
        default boolean tryWrite(byte[] bytes, int offset, int length) {
            return false;
        }

        /** Writes all of it; an IO error if the peer is gone. */
        void write(byte[] bytes, int offset, int length);

        /** Ends the stream both ways; a blocked read or write fails with an IO error. */
        @Override
        void close();
    }

    /** Connects or fails with an IO error naming the address. */
    Connection connect(String host, int port, long timeoutNanos);
}
