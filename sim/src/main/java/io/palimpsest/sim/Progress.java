package io.palimpsest.sim;

import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;

/**
 * Tells how far a run is: after ten seconds for the first time, then each half minute. A process
 * that runs a part of the seeds tells another one instead, {@code part: SEEDS FAILED}, more often.
 */
final class Progress {
    private static final long SECOND = 1_000_000_000L;
    static final String PART = "part:";

    private final long seeds;
    private final Duration limit;
    private final boolean part;
    private final PrintStream to;
    private final long start = System.nanoTime();
    private long next;

    /**
     * @param limit all of it takes, however many seeds there are; zero: as long as it takes
     */
    Progress(long seeds, Duration limit, boolean part, PrintStream to) {
        this.seeds = seeds;
        this.limit = limit;
        this.part = part;
        this.to = to;
        next = (part ? 2 : 10) * SECOND;
    }

    /** So many seeds are done. */
    void at(long done, long failed) {
        long elapsed = System.nanoTime() - start;
        if (elapsed >= next) {
            next = elapsed + (part ? 2 : 30) * SECOND;
            to.println(
                    part
                            ? PART + " " + done + " " + failed
                            : limit.isZero()
                                    ? line(done, seeds, failed, elapsed)
                                    : line(done, failed, elapsed));
            to.flush();
        }
    }

    private String line(long done, long failed, long elapsedNanos) {
        long left = Math.max(0, limit.toNanos() - elapsedNanos);
        return String.format(
                Locale.ROOT,
                "sim: %d seeds, %d failed, after %s, %s to go",
                done,
                failed,
                inWords(elapsedNanos),
                inWords(left));
    }

    static String line(long done, long seeds, long failed, long elapsedNanos) {
        String rest =
                done == 0
                        ? ""
                        : ", about " + inWords(elapsedNanos / done * (seeds - done)) + " to go";
        return String.format(
                Locale.ROOT,
                "sim: %d of %d seeds, %d failed, after %s%s",
                done,
                seeds,
                failed,
                inWords(elapsedNanos),
                rest);
    }

    private static String inWords(long nanos) {
        Duration d = Duration.ofNanos(nanos);
        return d.toHours() > 0
                ? d.toHours() + " h " + d.toMinutesPart() + " min"
                : d.toMinutes() > 0
                        ? d.toMinutes() + " min " + d.toSecondsPart() + " s"
                        : d.toSeconds() + " s";
    }
}
