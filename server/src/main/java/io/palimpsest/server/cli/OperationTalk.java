package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import java.io.PrintWriter;
import org.jspecify.annotations.Nullable;

/**
 * Tells, while a command waits for an answer of the server, how far what it asked for is: nothing
 * of short work. It is talk: where it cannot be had, nothing is said.
 *
 * <p>Who breaks the command off (Ctrl-C, exit status 130) has not ended what the server does, and
 * is told how to look at it and how to end it.
 */
final class OperationTalk implements AutoCloseable {
    private static final long PERIOD_MILLIS = 2000;

    private final ServerApi api;
    private final String path;
    private final String timeline;
    private final PrintWriter err;
    private final boolean json;
    private final Thread thread;
    private final Thread brokenOff;
    private boolean closed;

    /** The last that was seen to go on; null: none yet. */
    private volatile @Nullable String number;

    private OperationTalk(
            ServerApi api,
            TenantId tenant,
            @Nullable TimelineId timeline,
            PrintWriter err,
            boolean json) {
        this.api = api;
        this.path = "/v1/tenant/" + tenant + "/operation";
        this.timeline = timeline == null ? "" : timeline.toString();
        this.err = err;
        this.json = json;
        this.thread = Thread.ofVirtual().unstarted(this::talk);
        this.brokenOff = Thread.ofPlatform().unstarted(this::tellThatItGoesOn);
    }

    /**
     * About that timeline, until it is closed.
     *
     * @param timeline null: about the whole tenant
     * @param json each time a line with the operation as a JSON object
     */
    static OperationTalk begin(
            ServerApi api,
            TenantId tenant,
            @Nullable TimelineId timeline,
            PrintWriter err,
            boolean json) {
        OperationTalk talk = new OperationTalk(api, tenant, timeline, err, json);
        Runtime.getRuntime().addShutdownHook(talk.brokenOff);
        talk.thread.start();
        return talk;
    }

    private void talk() {
        try {
            while (true) {
                Thread.sleep(PERIOD_MILLIS);
                JsonNode operation = running();
                if (operation != null) {
                    say(
                            json
                                    ? OperationText.event(operation)
                                    : "... " + OperationText.progress(operation));
                }
            }
        } catch (InterruptedException | PageserverException _) {
            // Closed; or the server does not say.
        }
    }

    private @Nullable JsonNode running() throws InterruptedException {
        JsonNode found = null;
        for (JsonNode operation : api.get(path)) {
            if (operation.path("timeline_id").asText().equals(timeline)
                    && operation.path("state").asText().equals("running")) {
                found = operation;
                number = operation.path("number").asText();
            }
        }
        return found;
    }

    /** The command is being ended while it waits. */
    void tellThatItGoesOn() {
        try {
            JsonNode _ = number == null ? running() : null;
        } catch (InterruptedException | PageserverException _) {
            // Then it is said without the number.
        }
        String which = number == null ? "NUMBER (operation list has it)" : number;
        say(
                "palimpsest: the server goes on with it; to look at it: palimpsest operation watch %s; to end it: palimpsest operation cancel %s"
                        .formatted(which, which));
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
        try {
            boolean _ = Runtime.getRuntime().removeShutdownHook(brokenOff);
        } catch (IllegalStateException _) {
            // It is being ended already.
        }
    }
}
