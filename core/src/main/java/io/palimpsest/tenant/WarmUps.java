package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.tenant.TimelineTable.Name;
import io.palimpsest.timeline.Intent;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineStore;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The last warm-up of each timeline that had one since the server started. */
public final class WarmUps {
    private final Environment environment;
    private final TimelineStore store;
    private final Monitor monitor;
    private final TreeMap<Name, WarmUp> last = new TreeMap<>();
    private long started;
    private volatile boolean stopped;

    WarmUps(Environment environment, TimelineStore store) {
        this.environment = environment;
        this.store = store;
        this.monitor = environment.tasks().monitor("warm-ups");
    }

    /**
     * Begins to bring all layers of a timeline to the disk; returns at once.
     *
     * @param atOnce so many at a time
     * @throws PageserverException CONFLICT if that is under way already
     */
    public WarmUp.Progress start(Timeline timeline, int atOnce) {
        requireNone(timeline);
        Intent intent = Intent.toWarmUp(timeline.id(), environment.clock().wallMillis(), atOnce);
        store.intend(timeline.tenant(), intent);
        return start(timeline, intent, false);
    }

    /** Goes on with one that an earlier run of the server was to do. */
    void resume(Timeline timeline, Intent intent) {
        try {
            WarmUp.Progress _ = start(timeline, intent, true);
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(
                            Event.OPERATION_NOT_RESUMED,
                            timeline.subject(),
                            "warm_up: " + e.getMessage());
        }
    }

    private void requireNone(Timeline timeline) {
        monitor.lock();
        try {
            WarmUp before = last.get(name(timeline));
            if (before != null && before.progress().state() == WarmUp.State.RUNNING) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "the layers of timeline %s are on their way already",
                        timeline.id());
            }
        } finally {
            monitor.unlock();
        }
    }

    /** It is intended no more, unless it was broken off because the server stops. */
    private void ended(Timeline timeline, Intent intent) {
        if (!stopped) {
            store.settle(timeline.tenant(), intent);
        }
    }

    private WarmUp.Progress start(Timeline timeline, Intent intent, boolean resumed) {
        List<LayerFile> files = timeline.layersNotHere();
        WarmUp warmUp;
        monitor.lock();
        try {
            if (stopped) {
                throw PageserverException.of(
                        ErrorCode.SHUTTING_DOWN, "the page server is shutting down");
            }
            WarmUp before = last.get(name(timeline));
            if (before != null && before.progress().state() == WarmUp.State.RUNNING) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "the layers of timeline %s are on their way by now",
                        timeline.id());
            }
            started++;
            Operation operation =
                    store.operations()
                            .begin(
                                    Operation.Kind.WARM_UP,
                                    timeline.tenant().tenant(),
                                    timeline.id(),
                                    resumed);
            try {
                warmUp =
                        WarmUp.start(
                                environment,
                                operation,
                                timeline.subject(),
                                started,
                                files,
                                intent.atOnce(),
                                () -> ended(timeline, intent));
            } catch (PageserverException e) {
                operation.stopped();
                throw e;
            }
            last.put(name(timeline), warmUp);
        } finally {
            monitor.unlock();
        }
        if (files.isEmpty()) {
            ended(timeline, intent);
        }
        return warmUp.progress();
    }

    /** How far the last one of a timeline is; null if there was none. */
    public WarmUp.@Nullable Progress progress(Timeline timeline) {
        monitor.lock();
        try {
            WarmUp warmUp = last.get(name(timeline));
            return warmUp == null ? null : warmUp.progress();
        } finally {
            monitor.unlock();
        }
    }

    /** The timeline is gone. */
    void forget(Timeline timeline) {
        WarmUp warmUp;
        monitor.lock();
        try {
            warmUp = last.remove(name(timeline));
        } finally {
            monitor.unlock();
        }
        if (warmUp != null) {
            warmUp.stop();
        }
    }

    private static Name name(Timeline timeline) {
        return new Name(timeline.tenant().tenant(), timeline.id());
    }

    /** Begins none, and ends what is under way. */
    void stop() {
        List<WarmUp> all;
        monitor.lock();
        try {
            stopped = true;
            all = List.copyOf(last.values());
        } finally {
            monitor.unlock();
        }
        all.forEach(WarmUp::stop);
    }
}
