package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Clock;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Long work that somebody has asked for: what it is doing, how far it is, how it ended. Whoever
 * does it says so here, and whoever looks at it sees the same everywhere (decision 0114). One that
 * is closed before it was said to be complete has failed.
 */
public final class Operation implements AutoCloseable {
    /** What work is long enough to be looked at. */
    public enum Kind {
        /** A cluster becomes a timeline. */
        IMPORT,
        /** A tenant is taken over from the object store. */
        ATTACH,
        /** All layers of a timeline come from the store. */
        WARM_UP,
        /** A branch stops needing its ancestor. */
        DETACH_ANCESTOR,
        /** Layers are merged, images made, by request. */
        COMPACTION,
        /** A timeline goes, with its files and objects. */
        DELETION
    }

    public enum State {
        RUNNING,
        COMPLETED,
        FAILED
    }

    private static final double SECOND = 1e9;

    /**
     * How far it is.
     *
     * @param number of the operation since the server started; each has another
     * @param timeline null if it is about the whole tenant
     * @param stage what it does now, or did last, for people
     * @param bytesDone of what it moves; 0 if that is nothing that is counted in bytes
     * @param bytesTotal expected; 0 if nobody can say. More may come, or fewer: estimates
     * @param begunMillis since 1970
     * @param nanos it has taken, so far
     * @param failure why it failed; null if it did not
     */
    public record Status(
            long number,
            Kind kind,
            TenantId tenant,
            @Nullable TimelineId timeline,
            State state,
            String stage,
            long bytesDone,
            long bytesTotal,
            long begunMillis,
            long nanos,
            @Nullable String failure) {
        /** Over all of it. */
        public long bytesPerSecond() {
            return nanos <= 0 ? 0 : Math.round(bytesDone * SECOND / nanos);
        }

        /** As it went so far; empty if it is over, or nobody can say. */
        public OptionalLong secondsLeft() {
            return state != State.RUNNING || bytesDone <= 0 || bytesTotal < bytesDone
                    ? OptionalLong.empty()
                    : OptionalLong.of(
                            Math.round(
                                    (bytesTotal - bytesDone)
                                            * (double) nanos
                                            / bytesDone
                                            / SECOND));
        }
    }

    private final Consumer<Status> atItsEnd;
    private final Clock clock;
    private final long number;
    private final Kind kind;
    private final TenantId tenant;
    private final @Nullable TimelineId timeline;
    private final long begunMillis;
    private final long begun;
    private final AtomicLong done = new AtomicLong();
    private volatile long total;
    private volatile String stage = "starting";

    /** What it was at its end; null before. */
    private final AtomicReference<@Nullable Status> ended = new AtomicReference<>();

    Operation(
            Clock clock,
            long number,
            Kind kind,
            TenantId tenant,
            @Nullable TimelineId timeline,
            Consumer<Status> atItsEnd) {
        this.atItsEnd = atItsEnd;
        this.clock = clock;
        this.number = number;
        this.kind = kind;
        this.tenant = tenant;
        this.timeline = timeline;
        this.begunMillis = clock.wallMillis();
        this.begun = clock.monotonicNanos();
    }

    /** What it begins to do, for people. */
    public void stage(String now) {
        stage = now;
    }

    /** So many bytes are expected in all; 0: nobody knows. */
    public void total(long bytes) {
        Check.that(bytes >= 0, "%d bytes expected", bytes);
        total = bytes;
    }

    /** So many more are done. */
    public void moved(long bytes) {
        done.addAndGet(bytes);
    }

    /** It is done, all of it. */
    public void completed() {
        end(State.COMPLETED, null);
    }

    /** It has failed, and is over. The first that is said of its end counts. */
    public void failed(String why) {
        end(State.FAILED, why);
    }

    /** Whoever does it is done with it. */
    @Override
    public void close() {
        failed("it was broken off; the server's log says why");
    }

    private void end(State state, @Nullable String failure) {
        Status last = status(state, failure);
        if (ended.compareAndSet(null, last)) {
            atItsEnd.accept(last);
        }
    }

    boolean isOver() {
        return ended.get() != null;
    }

    long number() {
        return number;
    }

    Status status() {
        Status last = ended.get();
        return last == null ? status(State.RUNNING, null) : last;
    }

    private Status status(State state, @Nullable String failure) {
        return new Status(
                number,
                kind,
                tenant,
                timeline,
                state,
                stage,
                done.get(),
                total,
                begunMillis,
                clock.monotonicNanos() - begun,
                failure);
    }
}
