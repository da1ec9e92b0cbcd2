package io.palimpsest.port;

import io.palimpsest.base.ByteSink;
import org.jspecify.annotations.Nullable;

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

        /**
         * The same; but while it waits, and until it returns, what arrives may be answered on the
         * thread that receives it, after all that was written and in the order in which it came.
         * What is so answered is not read; the first message that is not, and all that comes after
         * it, is.
         */
        default int read(
                byte[] into, int offset, int length, long timeoutNanos, @Nullable AtOnce atOnce) {
            return read(into, offset, length, timeoutNanos);
        }

        /** Writes all of it; an IO error if the peer is gone. */
        void write(byte[] bytes, int offset, int length);

        /** Ends the stream both ways; a blocked read or write fails with an IO error. */
        @Override
        void close();
    }

    /**
     * Answers messages on the thread that receives them, which serves others, too: it neither waits
     * nor fails. Not called by two threads at once, and not while the reader runs that gave it.
     */
    interface AtOnce {
        /**
         * Bytes of the message in {@code bytes[from .. to)}, or 0 if it has not come whole; all of
         * them, if it is not a message.
         */
        int message(byte[] bytes, int from, int to);

        /**
         * Appends the answer; false if that would take waiting, or if it is anything but plainly
         * right. Then nothing is appended.
         */
        boolean answer(byte[] bytes, int from, int length, ByteSink out);
    }

    /** Connects or fails with an IO error naming the address. */
    Connection connect(String host, int port, long timeoutNanos);
}
