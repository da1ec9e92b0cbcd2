package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.Locale;

/**
 * Bytes done so far and their rate, on one line every two seconds; nothing of short work. As all
 * lines that say how far something is, they begin with three dots.
 */
final class Progress {
    private static final long PERIOD_NANOS = 2_000_000_000L;

    private final PrintWriter err;
    private final boolean json;
    private final String what;
    private final long all;
    private final long begun = System.nanoTime();
    private long said = begun;
    private long done;

    /**
     * @param json each time a line with a JSON object
     */
    Progress(PrintWriter err, boolean json, String what) {
        this(err, json, what, 0);
    }

    /**
     * The same.
     *
     * @param all how much it is; 0: that is not known
     */
    Progress(PrintWriter err, boolean json, String what, long all) {
        this.err = err;
        this.json = json;
        this.what = what;
        this.all = all;
    }

    private String line(long rate) {
        if (json) {
            ObjectNode o = JsonNodeFactory.instance.objectNode();
            o.put("event", "progress").put("stage", what).put("bytes_done", done);
            if (all > 0) {
                o.put("bytes_total", all);
            }
            return o.put("bytes_per_second", rate).toString();
        }
        return String.format(
                Locale.ROOT,
                "... %s %s%s, %s/s",
                what,
                Output.bytes(done),
                all == 0 ? "" : " of " + Output.bytes(all),
                Output.bytes(rate));
    }

    void bytes(long more) {
        done += more;
        long now = System.nanoTime();
        if (now - said > PERIOD_NANOS) {
            said = now;
            err.println(line((long) (done / ((now - begun) / 1e9))));
            err.flush();
        }
    }
}
