package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Clock;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The operations of a server since it started: all that run, and the last that are over. Safe to
 * ask while they go on.
 */
public final class Operations {
    /** So many that are over are remembered. */
    private static final int REMEMBERED = 200;

    private final Clock clock;
    private final AtomicLong begun = new AtomicLong();
    private final Map<Operation.Kind, AtomicLong> completed = counters();
    private final Map<Operation.Kind, AtomicLong> failed = counters();
    private final Map<Operation.Kind, AtomicLong> cancelled = counters();
    private final AtomicReference<List<Operation>> all = new AtomicReference<>(List.of());

    public Operations(Clock clock) {
        this.clock = clock;
    }

    /**
     * One begins; who begins it ends it.
     *
     * @param timeline null if it is about the whole tenant
     */
    public Operation begin(Operation.Kind kind, TenantId tenant, @Nullable TimelineId timeline) {
        return begin(kind, tenant, timeline, false);
    }

    /**
     * The same.
     *
     * @param resumed an earlier run of the server began it
     */
    public Operation begin(
            Operation.Kind kind, TenantId tenant, @Nullable TimelineId timeline, boolean resumed) {
        Operation operation =
                new Operation(
                        clock,
                        begun.incrementAndGet(),
                        kind,
                        tenant,
                        timeline,
                        resumed,
                        this::ended);
        List<Operation> _ = all.updateAndGet(before -> with(before, operation));
        return operation;
    }

    /**
     * Does it as one, which fails if that throws, and is complete otherwise.
     *
     * @throws PageserverException what the work throws; CANCELLED if it was to stop, whatever it
     *     was in the midst of
     */
    public <T> T run(
            Operation.Kind kind,
            TenantId tenant,
            @Nullable TimelineId timeline,
            Function<Operation, T> work) {
        return run(kind, tenant, timeline, false, work);
    }

    /**
     * The same.
     *
     * @param resumed an earlier run of the server began it
     * @throws PageserverException also SHUTTING_DOWN if it was broken off, to go on after the next
     *     start
     */
    public <T> T run(
            Operation.Kind kind,
            TenantId tenant,
            @Nullable TimelineId timeline,
            boolean resumed,
            Function<Operation, T> work) {
        try (Operation operation = begin(kind, tenant, timeline, resumed)) {
            try {
                T result = work.apply(operation);
                operation.completed();
                return result;
            } catch (PageserverException e) {
                if (operation.isSuspended()) {
                    operation.failed(Operation.SUSPENDED);
                    throw new PageserverException(ErrorCode.SHUTTING_DOWN, Operation.SUSPENDED, e);
                }
                if (operation.isStopping()) {
                    operation.stopped();
                    throw stopped(operation, e);
                }
                operation.failed(String.valueOf(e.getMessage()));
                throw e;
            }
        }
    }

    /** For who waits for what it would have made. */
    private static PageserverException stopped(Operation operation, PageserverException how) {
        Operation.Status last = operation.status();
        return new PageserverException(
                ErrorCode.CANCELLED,
                String.format(
                        Locale.ROOT,
                        "operation %d (%s) was cancelled by request%s",
                        last.number(),
                        last.kind().name().toLowerCase(Locale.ROOT),
                        last.failure() == null ? "" : "; " + last.failure()),
                how);
    }

    private static Map<Operation.Kind, AtomicLong> counters() {
        EnumMap<Operation.Kind, AtomicLong> counters = new EnumMap<>(Operation.Kind.class);
        for (Operation.Kind kind : Operation.Kind.values()) {
            counters.put(kind, new AtomicLong());
        }
        return counters;
    }

    private static AtomicLong of(Map<Operation.Kind, AtomicLong> counters, Operation.Kind kind) {
        return Objects.requireNonNull(counters.get(kind), "every kind has one");
    }

    private void ended(Operation.Status status) {
        Map<Operation.Kind, AtomicLong> counted =
                switch (status.state()) {
                    case COMPLETED -> completed;
                    case CANCELLED -> cancelled;
                    case FAILED, RUNNING -> failed;
                };
        long _ = of(counted, status.kind()).incrementAndGet();
    }

    /** How many of a kind were completed. */
    public long completed(Operation.Kind kind) {
        return of(completed, kind).get();
    }

    /** How many of a kind have failed. */
    public long failed(Operation.Kind kind) {
        return of(failed, kind).get();
    }

    /** How many of a kind were cancelled. */
    public long cancelled(Operation.Kind kind) {
        return of(cancelled, kind).get();
    }

    private static List<Operation> with(List<Operation> before, Operation next) {
        List<Operation> kept = new ArrayList<>(before);
        kept.add(next);
        long over = kept.stream().filter(Operation::isOver).count();
        // The oldest that are over go first: the list is in the order of their beginnings.
        for (int i = 0; i < kept.size() && over > REMEMBERED; ) {
            if (kept.get(i).isOver()) {
                kept.remove(i);
                over--;
            } else {
                i++;
            }
        }
        return List.copyOf(kept);
    }

    /** All that are known, in the order of their beginnings. */
    public List<Operation.Status> list() {
        return all.get().stream().map(Operation::status).toList();
    }

    /** NOT_FOUND if there is none of that number, or it is over for long. */
    public Operation.Status status(long number) {
        return find(number).status();
    }

    /**
     * Asks an operation to stop, which it does where it can and leaves nothing behind. Again is
     * fine.
     *
     * @return how it is then: over, or still stopping
     * @throws PageserverException NOT_FOUND; CONFLICT if it has ended otherwise, or cannot be
     *     stopped any more
     */
    public Operation.Status cancel(long number) {
        Operation operation = find(number);
        operation.cancel();
        return operation.status();
    }

    private Operation find(long number) {
        for (Operation operation : all.get()) {
            if (operation.number() == number) {
                return operation;
            }
        }
        throw PageserverException.of(
                ErrorCode.NOT_FOUND,
                "there is no operation %d since the server started; the last %d that are over are remembered",
                number,
                REMEMBERED);
    }
}
