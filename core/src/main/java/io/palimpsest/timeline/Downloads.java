package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Brings layers to the disk that are being read where they are, in the order in which they were
 * first read, some at once for the whole server. Nobody waits for it: what fails is left until
 * somebody reads of it again, and a full disk is left alone for a while.
 */
final class Downloads {
    private static final long FULL_NANOS = 10_000_000_000L;

    /** What somebody reads in parts right now goes first: the file is for who comes later. */
    private static final long AFTER_PARTS = 200_000_000L;

    /** One layer; its task is set while it is on its way. */
    private static final class Download {
        final RemoteTimeline timeline;
        final LayerName layer;
        final Runnable bring;
        Tasks.@Nullable Task task;

        Download(RemoteTimeline timeline, LayerName layer, Runnable bring) {
            this.timeline = timeline;
            this.layer = layer;
            this.bring = bring;
        }

        boolean is(RemoteTimeline other, LayerName name) {
            return timeline == other && layer.equals(name);
        }
    }

    private final Environment environment;
    private final Tasks tasks;
    private final Clock clock;
    private final int most;
    private final Monitor monitor;
    private final ArrayDeque<Download> waiting = new ArrayDeque<>();
    private final List<Download> running = new ArrayList<>();
    private long notBefore = Long.MIN_VALUE;
    private boolean stopped;

    /**
     * @param most at once
     */
    Downloads(Environment environment, int most) {
        Check.that(most > 0, "%d downloads at once", most);
        this.environment = environment;
        this.tasks = environment.tasks();
        this.clock = environment.clock();
        this.most = most;
        this.monitor = tasks.monitor("downloads");
    }

    /**
     * A layer is to come, if it is not on its way already. Returns at once.
     *
     * @param bring brings it
     */
    void want(RemoteTimeline timeline, LayerName layer, Runnable bring) {
        monitor.lock();
        try {
            if (stopped
                    || waiting.stream().anyMatch(d -> d.is(timeline, layer))
                    || running.stream().anyMatch(d -> d.is(timeline, layer))) {
                return;
            }
            if (clock.monotonicNanos() < notBefore) {
                return;
            }
            waiting.addLast(new Download(timeline, layer, bring));
            startNext();
        } finally {
            monitor.unlock();
        }
    }

    private void startNext() {
        while (!stopped && running.size() < most && !waiting.isEmpty()) {
            Download next = waiting.removeFirst();
            running.add(next);
            next.task = tasks.spawn(Lane.LATENCY, "download", () -> run(next));
        }
    }

    private void run(Download download) {
        boolean full = false;
        try {
            tasks.sleep(AFTER_PARTS);
            download.bring.run();
        } catch (PageserverException e) {
            full = e.code() == ErrorCode.NO_SPACE;
            // One that was removed meanwhile is nobody's any more.
            if (e.code() != ErrorCode.CONFLICT) {
                environment
                        .tracer()
                        .event(
                                Event.DOWNLOAD_FAILED,
                                download.timeline.subject(),
                                String.valueOf(e.getMessage()));
            }
        } finally {
            monitor.lock();
            try {
                running.remove(download);
                if (full) {
                    notBefore = clock.monotonicNanos() + FULL_NANOS;
                    waiting.clear();
                }
                startNext();
            } finally {
                monitor.unlock();
            }
        }
    }

    /** Nothing more comes for that timeline; returns when nothing is on its way. */
    void drop(RemoteTimeline timeline) {
        List<Download> last = new ArrayList<>();
        monitor.lock();
        try {
            waiting.removeIf(d -> d.timeline == timeline);
            running.stream().filter(d -> d.timeline == timeline).forEach(last::add);
        } finally {
            monitor.unlock();
        }
        end(last);
    }

    /** Nothing more comes; returns when nothing is on its way. */
    void stop() {
        List<Download> last;
        monitor.lock();
        try {
            stopped = true;
            waiting.clear();
            last = List.copyOf(running);
        } finally {
            monitor.unlock();
        }
        end(last);
    }

    private static void end(List<Download> last) {
        for (Download download : last) {
            Tasks.Task task = download.task;
            if (task != null) {
                task.cancel();
            }
        }
        for (Download download : last) {
            Tasks.Task task = download.task;
            if (task != null) {
                task.join();
            }
        }
    }
}
