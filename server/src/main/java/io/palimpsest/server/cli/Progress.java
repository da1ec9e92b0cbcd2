package io.palimpsest.server.cli;

import java.io.PrintWriter;
import java.util.Locale;

/**
 * Bytes done so far and their rate, on one line every two seconds; nothing of short work. As all
 * lines that say how far something is, they begin with three dots.
 */
final class Progress {
    private static final long PERIOD_NANOS = 2_000_000_000L;

    private final PrintWriter err;
    private final String what;
    private final long all;
    private final long begun = System.nanoTime();
    private long said = begun;
    private long done;

    Progress(PrintWriter err, String what) {
        this(err, what, 0);
    }

    /**
     * The same.
     *
     * @param all how much it is; 0: that is not known
     */
    Progress(PrintWriter err, String what, long all) {
        this.err = err;
        this.what = what;
        this.all = all;
    }

    void bytes(long more) {
        done += more;
        long now = System.nanoTime();
        if (now - said > PERIOD_NANOS) {
            said = now;
            err.printf(
                    Locale.ROOT,
                    "... %s %s%s, %s/s%n",
                    what,
                    Output.bytes(done),
                    all == 0 ? "" : " of " + Output.bytes(all),
                    Output.bytes((long) (done / ((now - begun) / 1e9))));
            err.flush();
        }
    }
}
