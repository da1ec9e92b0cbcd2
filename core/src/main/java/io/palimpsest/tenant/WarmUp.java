package io.palimpsest.tenant;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.Operation;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Brings layer files from the store to the disk, several at once, those first that hold the newest.
 * One that fails is left out, and the others go on: another warm-up tries it again, and finds what
 * this one has brought. One that was removed meanwhile is nobody's any more, and counts as brought.
 */
public final class WarmUp {
    public enum State {
        RUNNING,
        COMPLETED,
        /** Before it was complete: the server stops, it was cancelled, or the disk is full. */
        STOPPED
    }

    /**
     * How far it is.
     *
     * @param number of the warm-up, each has another
     * @param layers that were not on the disk when it began
     * @param bytes of those brought
     */
    public record Progress(
            long number, State state, int layers, int brought, int failed, long bytes) {}

    private final Environment environment;
    private final Operation operation;
    private final Runnable atItsEnd;
    private final Subject subject;
    private final Monitor monitor;
    private final ArrayDeque<LayerFile> waiting;
    private final List<Tasks.Task> tasks = new ArrayList<>();
    private Progress progress;
    private int running;
    private boolean stopped;

    private WarmUp(
            Environment environment,
            Operation operation,
            Subject subject,
            long number,
            List<LayerFile> files,
            Runnable atItsEnd) {
        this.environment = environment;
        this.atItsEnd = atItsEnd;
        this.operation = operation;
        this.subject = subject;
        operation.stage("bringing layers from the object store");
        operation.total(files.stream().mapToLong(LayerFile::size).sum());
        this.monitor = environment.tasks().monitor("warm-up");
        List<LayerFile> ordered = new ArrayList<>(files);
        ordered.sort(
                Comparator.comparing(LayerFile::endLsn, Long::compareUnsigned)
                        .reversed()
                        .thenComparing(LayerFile::path));
        this.waiting = new ArrayDeque<>(ordered);
        this.progress = new Progress(number, State.RUNNING, files.size(), 0, 0, 0);
    }

    /**
     * Begins.
     *
     * @param subject whose layers they are
     * @param atOnce so many files are on their way at a time
     * @param atItsEnd when none is on its way any more; not if there was none
     */
    static WarmUp start(
            Environment environment,
            Operation operation,
            Subject subject,
            long number,
            List<LayerFile> files,
            int atOnce,
            Runnable atItsEnd) {
        Check.that(atOnce > 0, "%d downloads at once", atOnce);
        WarmUp warmUp = new WarmUp(environment, operation, subject, number, files, atItsEnd);
        Operation.Interruption _ = operation.interruptedBy(warmUp::beginStop);
        int tasks = Math.min(atOnce, files.size());
        warmUp.monitor.lock();
        try {
            warmUp.running = tasks;
            for (int i = 0; i < tasks; i++) {
                warmUp.tasks.add(environment.tasks().spawn(Lane.LATENCY, "warm-up", warmUp::work));
            }
            if (tasks == 0) {
                warmUp.end();
            }
        } finally {
            warmUp.monitor.unlock();
        }
        return warmUp;
    }

    public Progress progress() {
        monitor.lock();
        try {
            return progress;
        } finally {
            monitor.unlock();
        }
    }

    private void work() {
        try {
            for (LayerFile file = next(); file != null; file = next()) {
                fetch(file);
            }
        } finally {
            boolean last;
            monitor.lock();
            try {
                running--;
                last = running == 0;
                if (last) {
                    end();
                }
            } finally {
                monitor.unlock();
            }
            if (last) {
                atItsEnd.run();
            }
        }
    }

    private @Nullable LayerFile next() {
        monitor.lock();
        try {
            return stopped ? null : waiting.pollFirst();
        } finally {
            monitor.unlock();
        }
    }

    private void fetch(LayerFile file) {
        ErrorCode failure = null;
        try {
            file.fetch();
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CONFLICT) {
                failure = e.code();
                environment
                        .tracer()
                        .event(Event.WARM_UP_FAILED, subject, String.valueOf(e.getMessage()));
            }
        }
        if (failure == null) {
            operation.moved(file.size());
        }
        monitor.lock();
        try {
            Progress p = progress;
            boolean good = failure == null;
            progress =
                    new Progress(
                            p.number(),
                            p.state(),
                            p.layers(),
                            p.brought() + (good ? 1 : 0),
                            p.failed() + (good ? 0 : 1),
                            p.bytes() + (good ? file.size() : 0));
            if (failure == ErrorCode.NO_SPACE) {
                stopped = true;
            }
        } finally {
            monitor.unlock();
        }
    }

    private void end() {
        Progress p = progress;
        boolean complete = p.brought() + p.failed() == p.layers();
        progress =
                new Progress(
                        p.number(),
                        complete ? State.COMPLETED : State.STOPPED,
                        p.layers(),
                        p.brought(),
                        p.failed(),
                        p.bytes());
        waiting.clear();
        if (complete && p.failed() == 0) {
            operation.completed();
        } else if (operation.isStopping()) {
            operation.stopped();
        } else {
            operation.failed(
                    (p.layers() - p.brought()) + " of " + p.layers() + " layers have not come");
        }
        environment
                .tracer()
                .event(
                        Event.WARM_UP_ENDED,
                        subject,
                        p.brought() + " of " + p.layers() + " layers, " + p.bytes() + " bytes");
    }

    /** Begins no other file; returns when none is on its way. */
    void stop() {
        beginStop().forEach(Tasks.Task::join);
    }

    /** Begins no other file, and those on their way do not wait for the store to answer again. */
    private List<Tasks.Task> beginStop() {
        List<Tasks.Task> last;
        monitor.lock();
        try {
            stopped = true;
            last = List.copyOf(tasks);
        } finally {
            monitor.unlock();
        }
        last.forEach(Tasks.Task::cancel);
        return last;
    }
}
