package io.palimpsest.server.disk;

import java.util.Arrays;

/**
 * Which bytes of a mapped file were in memory when the system was last asked, in chunks of 128 KiB.
 * The question is a system call and often dearer than the copy, so its answer is believed for half
 * a second: what the system gave up meanwhile costs a page fault, never a wrong byte. Of a chunk
 * that is not all there the bytes of each read are asked for, and the chunk again after that time.
 *
 * <p>Any number of threads; an update that is lost costs a question.
 */
final class Residency {
    static final int CHUNK_SHIFT = 17;

    /** An answer's age in units of 2^24 ns, 17 ms, at most. */
    private static final int FRESH = 30;

    private static final int TICK_SHIFT = 24;

    /** The system's answer at this moment. */
    interface Question {
        boolean inMemory(long position, long length);
    }

    private final Question question;
    private final long size;

    /** Of each chunk when it was asked for, in ticks, times 2, plus 1 if it was all there. */
    private final int[] answers;

    /**
     * @param nanos the time now, as in {@link #inMemory}
     */
    Residency(Question question, long size, long nanos) {
        this.question = question;
        this.size = size;
        answers = new int[Math.toIntExact((size - 1 >>> CHUNK_SHIFT) + 1)];
        Arrays.fill(answers, ((int) (nanos >> TICK_SHIFT) - FRESH - 1) * 2);
    }

    /**
     * Are they in memory, or were they just now?
     *
     * @param nanos of a clock that only goes forward
     */
    boolean inMemory(long position, int length, long nanos) {
        int now = (int) (nanos >> TICK_SHIFT);
        int last = (int) (position + Math.max(length, 1) - 1 >>> CHUNK_SHIFT);
        for (int i = (int) (position >>> CHUNK_SHIFT); i <= last; i++) {
            if (!whole(i, now)) {
                return question.inMemory(position, length);
            }
        }
        return true;
    }

    private boolean whole(int chunk, int now) {
        int answer = answers[chunk];
        // Ticks of 31 bits: an answer of nine months ago would be taken for a new one.
        if (((now - (answer >> 1)) & 0x7fff_ffff) > FRESH) {
            long from = (long) chunk << CHUNK_SHIFT;
            long length = Math.min(1 << CHUNK_SHIFT, size - from);
            answer = now * 2 + (question.inMemory(from, length) ? 1 : 0);
            answers[chunk] = answer;
        }
        return (answer & 1) != 0;
    }
}
