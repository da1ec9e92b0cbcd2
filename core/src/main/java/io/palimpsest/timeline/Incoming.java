package io.palimpsest.timeline;

import io.palimpsest.base.PageserverException;

/** Bytes that somebody sends, read by one task as they come. */
public interface Incoming {
    /**
     * Reads some; waits until there are any.
     *
     * @return how many, at least 1; -1 if all were read
     * @throws PageserverException IO if no more will come although that is not the end
     */
    int read(byte[] into, int offset, int length);

    /**
     * Nobody wants more of it: a read that waits ends with an error, by whichever task. Where a
     * read never waits for long there is nothing to do.
     */
    default void end() {}
}
