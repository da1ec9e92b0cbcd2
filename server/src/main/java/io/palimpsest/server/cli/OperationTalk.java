package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import java.io.PrintWriter;

/**
 * Tells, while a command waits for an answer of the server, how far what it asked for is: nothing
 * of short work. It is talk: where it cannot be had, nothing is said.
 */
final class OperationTalk implements AutoCloseable {
    private static final long PERIOD_MILLIS = 2000;

    private final ServerApi api;
    private final String path;
    private final String timeline;
    private final PrintWriter err;
    private final boolean json;
    private final Thread thread;
    private boolean closed;

    private OperationTalk(
            ServerApi api, TenantId tenant, TimelineId timeline, PrintWriter err, boolean json) {
        this.api = api;
        this.path = "/v1/tenant/" + tenant + "/operation";
        this.timeline = timeline.toString();
        this.err = err;
        this.json = json;
        this.thread = Thread.ofVirtual().unstarted(this::talk);
    }

    /**
     * About that timeline, until it is closed.
     *
     * @param json each time a line with the operation as a JSON object
     */
    static OperationTalk begin(
            ServerApi api, TenantId tenant, TimelineId timeline, PrintWriter err, boolean json) {
        OperationTalk talk = new OperationTalk(api, tenant, timeline, err, json);
        talk.thread.start();
        return talk;
    }

    private void talk() {
        try {
            while (true) {
                Thread.sleep(PERIOD_MILLIS);
                for (JsonNode operation : api.get(path)) {
                    if (operation.path("timeline_id").asText().equals(timeline)
                            && operation.path("state").asText().equals("running")) {
                        say(
                                json
                                        ? operation.toString()
                                        : "... " + OperationText.progress(operation));
                    }
                }
            }
        } catch (InterruptedException | PageserverException _) {
            // Closed; or the server does not say.
        }
    }

    private synchronized void say(String line) {
        if (!closed) {
            err.println(line);
            err.flush();
        }
    }

    /** Nothing more is said when this returns. */
    @Override
    public synchronized void close() {
        closed = true;
        thread.interrupt();
    }
}
