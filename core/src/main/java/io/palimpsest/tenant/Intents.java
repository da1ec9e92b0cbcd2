package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.Intent;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.TimelineStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Long work that outlives its server: what is intended is written down before it begins and until
 * it is done, cancelled or refused, and what is written down when a tenant is opened goes on by
 * itself (decision 0130). When the server stops in good order it is broken off, and stays intended.
 */
final class Intents {
    private static final long FIRST_PAUSE = 1_000_000_000L;
    private static final long LONGEST_PAUSE = 60_000_000_000L;
    private static final long LOOK_AGAIN = 250_000_000L;

    /** How long the end of the server waits for work that is being broken off. */
    private static final long PATIENCE = 10_000_000_000L;

    private final Environment environment;
    private final TimelineStore store;
    private final Monitor monitor;
    private final List<Operation> running = new ArrayList<>();
    private final List<Tasks.Task> tasks = new ArrayList<>();
    private boolean stopped;

    Intents(Environment environment, TimelineStore store) {
        this.environment = environment;
        this.store = store;
        this.monitor = environment.tasks().monitor("intents");
    }

    /**
     * Does it as an operation, which is intended until its end.
     *
     * @throws PageserverException as the work does; SHUTTING_DOWN if it is broken off to go on
     *     after the next start
     */
    <T> T run(TenantShardId tenant, Intent intent, Function<Operation, T> work) {
        store.intend(tenant, intent);
        return again(tenant, intent, false, work);
    }

    private <T> T again(
            TenantShardId tenant, Intent intent, boolean resumed, Function<Operation, T> work) {
        return store.operations()
                .run(
                        intent.kind(),
                        tenant.tenant(),
                        intent.timeline(),
                        resumed,
                        operation -> {
                            begin(operation);
                            try {
                                T result = work.apply(operation);
                                store.settle(tenant, intent);
                                return result;
                            } catch (PageserverException e) {
                                if (!operation.isSuspended() && !isEnding(tenant, intent)) {
                                    store.settle(tenant, intent);
                                }
                                throw e;
                            } finally {
                                end(operation);
                            }
                        });
    }

    /** An import whose slot could not be dropped yet. */
    private boolean isEnding(TenantShardId tenant, Intent intent) {
        Intent left =
                intent.kind() == Operation.Kind.IMPORT
                        ? store.intendedImport(tenant, intent.timeline())
                        : null;
        return left != null && left.ending();
    }

    private void begin(Operation operation) {
        monitor.lock();
        try {
            if (stopped) {
                operation.suspend();
            }
            running.add(operation);
        } finally {
            monitor.unlock();
        }
    }

    private void end(Operation operation) {
        monitor.lock();
        try {
            running.remove(operation);
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
    }

    /**
     * Goes on with it in a task of its own, and tries again what may work the next time, until it
     * is cancelled.
     *
     * @param work one attempt; a failure that may pass leaves what the next one needs
     * @param end whatever it came to
     */
    void resume(TenantShardId tenant, Intent intent, Consumer<Operation> work, Runnable end) {
        String name = "resume " + intent.kind() + " " + intent.timeline();
        monitor.lock();
        try {
            if (!stopped) {
                tasks.removeIf(Tasks.Task::isDone);
                tasks.add(
                        environment
                                .tasks()
                                .spawn(
                                        Lane.LATENCY,
                                        name,
                                        () -> resumed(tenant, intent, work, end)));
                return;
            }
        } finally {
            monitor.unlock();
        }
        end.run();
    }

    private void resumed(
            TenantShardId tenant, Intent intent, Consumer<Operation> work, Runnable end) {
        String what = intent.kind().name().toLowerCase(Locale.ROOT);
        Subject subject = Subject.of(tenant, intent.timeline());
        environment.tracer().event(Event.OPERATION_RESUMED, subject, what);
        try {
            boolean _ =
                    again(
                            tenant,
                            intent,
                            true,
                            operation -> {
                                untilItWorks(intent.kind(), operation, work);
                                return true;
                            });
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(Event.OPERATION_NOT_RESUMED, subject, what + ": " + e.getMessage());
        } finally {
            end.run();
        }
    }

    private void untilItWorks(Operation.Kind kind, Operation operation, Consumer<Operation> work) {
        for (long pause = FIRST_PAUSE; ; pause = Math.min(LONGEST_PAUSE, 2 * pause)) {
            operation.checkGoesOn();
            try {
                work.accept(operation);
                return;
            } catch (PageserverException e) {
                boolean busy =
                        kind == Operation.Kind.DETACH_ANCESTOR && e.code() == ErrorCode.CONFLICT;
                if (operation.isStopping() || !busy && !mayPass(e)) {
                    throw e;
                }
                operation.stage(
                        "tried again in " + pause / 1_000_000_000L + " s: " + e.getMessage());
            }
            for (long left = pause; left > 0; left -= LOOK_AGAIN) {
                operation.checkGoesOn();
                environment.tasks().sleep(Math.min(left, LOOK_AGAIN));
            }
        }
    }

    /** May it work the next time, without a person? */
    static boolean mayPass(PageserverException e) {
        return switch (e.code()) {
            case IO, NO_SPACE, THROTTLED, UNAVAILABLE, LSN_TIMEOUT -> true;
            default -> false;
        };
    }

    /** Breaks off what goes on; it stays intended. */
    void stop() {
        List<Operation> last;
        List<Tasks.Task> resumed;
        monitor.lock();
        try {
            stopped = true;
            last = List.copyOf(running);
            resumed = List.copyOf(tasks);
        } finally {
            monitor.unlock();
        }
        last.forEach(Operation::suspend);
        resumed.forEach(Tasks.Task::join);
        long begun = environment.clock().monotonicNanos();
        monitor.lock();
        try {
            long left = PATIENCE;
            while (!running.isEmpty() && left > 0) {
                boolean _ = monitor.await(left);
                left = PATIENCE - (environment.clock().monotonicNanos() - begun);
            }
        } finally {
            monitor.unlock();
        }
    }
}
