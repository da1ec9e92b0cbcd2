package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Long work that somebody has asked for: what it is doing, how far it is, how it ended. Whoever
 * does it says so here, and whoever looks at it sees the same everywhere (decision 0114). One that
 * is closed before it was said to be complete has failed.
 *
 * <p>It can be asked to stop ({@link #cancel}, decision 0129): the work looks at that where it can
 * stop and leave nothing behind, and says where it has become too late.
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
        FAILED,
        /** Somebody has asked for it to stop, and it has. */
        CANCELLED
    }

    /** A wait of the work that ends early if it is to stop; until closed. */
    public interface Interruption extends AutoCloseable {
        @Override
        void close();
    }

    /**
     * Whether it goes on.
     *
     * @param asked somebody wants it to stop
     * @param suspended because the server stops: it goes on after the next start
     * @param committed why it cannot be stopped any more; null: it can
     * @param interruptions what ends waits that are under way
     */
    private record Standing(
            boolean asked,
            boolean suspended,
            @Nullable String committed,
            List<Runnable> interruptions) {}

    private static final double SECOND = 1e9;

    static final String SUSPENDED = "the page server stops; this goes on after its next start";

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
     * @param resumed an earlier run of the server began it
     * @param stopping it runs, and was asked to stop
     * @param failure why it failed, or what it left when it was cancelled; null if there is nothing
     *     to say
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
            boolean resumed,
            boolean stopping,
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
    private final boolean resumed;
    private final long begunMillis;
    private final long begun;
    private final AtomicLong done = new AtomicLong();
    private volatile long total;
    private volatile String stage = "starting";

    /** What it has left behind against its will; null: nothing. */
    private volatile @Nullable String left;

    private final AtomicReference<Standing> standing =
            new AtomicReference<>(new Standing(false, false, null, List.of()));

    /** What it was at its end; null before. */
    private final AtomicReference<@Nullable Status> ended = new AtomicReference<>();

    Operation(
            Clock clock,
            long number,
            Kind kind,
            TenantId tenant,
            @Nullable TimelineId timeline,
            boolean resumed,
            Consumer<Status> atItsEnd) {
        this.resumed = resumed;
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

    // ---- stopping ----

    /** CANCELLED if it is to stop. */
    public void checkGoesOn() {
        if (standing.get().asked) {
            throw cancelled();
        }
    }

    private PageserverException cancelled() {
        if (isSuspended()) {
            return PageserverException.of(ErrorCode.SHUTTING_DOWN, "%s", SUSPENDED);
        }
        return PageserverException.of(
                ErrorCode.CANCELLED, "operation %d was cancelled by request", number);
    }

    /**
     * From now on it goes to its end.
     *
     * @param because for who wants to stop it
     * @throws PageserverException CANCELLED if somebody has asked before; then nothing may follow
     */
    public void cannotBeCancelled(String because) {
        Standing now =
                standing.updateAndGet(before ->
                        before.asked ? before : new Standing(false, false, because, List.of()));
        if (now.asked) {
            throw cancelled();
        }
    }

    /**
     * The work is about to wait for something for long: {@code how} ends that, on another's task
     * and perhaps when it is over already, and must not wait itself. CANCELLED if it is to stop.
     */
    public Interruption interruptedBy(Runnable how) {
        Standing now =
                standing.updateAndGet(before ->
                        before.asked || before.committed != null
                                ? before
                                : new Standing(
                                        false, false, null, with(before.interruptions, how)));
        if (now.asked) {
            throw cancelled();
        }
        return () -> {
            Standing _ =
                    standing.updateAndGet(before ->
                            new Standing(
                                    before.asked,
                                    before.suspended,
                                    before.committed,
                                    without(before.interruptions, how)));
        };
    }

    private static List<Runnable> with(List<Runnable> before, Runnable one) {
        List<Runnable> all = new ArrayList<>(before);
        all.add(one);
        return List.copyOf(all);
    }

    private static List<Runnable> without(List<Runnable> before, Runnable one) {
        return before.stream().filter(other -> !other.equals(one)).toList();
    }

    /** Was it asked to stop, or is it broken off? */
    public boolean isStopping() {
        return standing.get().asked;
    }

    /** An earlier run of the server began it. */
    boolean isResumed() {
        return resumed;
    }

    /** The server stops, and it goes on after the next start. */
    public boolean isSuspended() {
        return standing.get().suspended;
    }

    /** Breaks it off where it can be, to go on after the next start of the server. */
    public void suspend() {
        Standing before =
                standing.getAndUpdate(now ->
                        now.asked
                                ? now
                                : new Standing(true, true, now.committed, now.interruptions));
        if (!before.asked) {
            before.interruptions.forEach(Runnable::run);
        }
    }

    /** Something stays behind that somebody has to know of, whatever it ends with. */
    public void leaves(String what) {
        left = what;
    }

    /**
     * Asks it to stop, which it does where it can. Again is fine.
     *
     * @throws PageserverException CONFLICT if it is over, or cannot be stopped any more
     */
    void cancel() {
        Status last = ended.get();
        if (last != null && last.state == State.CANCELLED) {
            return;
        }
        if (last != null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "operation %d is over: it has %s",
                    number,
                    last.state == State.COMPLETED ? "completed" : "failed");
        }
        Standing before =
                standing.getAndUpdate(now ->
                        now.committed != null
                                ? now
                                : new Standing(true, now.suspended, null, now.interruptions));
        if (before.committed != null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "operation %d cannot be cancelled any more: %s",
                    number,
                    before.committed);
        }
        if (!before.asked) {
            before.interruptions.forEach(Runnable::run);
        }
    }

    // ---- its end ----

    /** It is done, all of it. */
    public void completed() {
        end(State.COMPLETED, null);
    }

    /** It has failed, and is over. The first that is said of its end counts. */
    public void failed(String why) {
        end(State.FAILED, why);
    }

    /** It was to stop, and has. */
    public void stopped() {
        end(State.CANCELLED, null);
    }

    /** Whoever does it is done with it. */
    @Override
    public void close() {
        failed("it was broken off; the server's log says why");
    }

    private void end(State state, @Nullable String failure) {
        Status last = status(state, said(failure));
        if (ended.compareAndSet(null, last)) {
            atItsEnd.accept(last);
        }
    }

    private @Nullable String said(@Nullable String failure) {
        String what = left;
        return what == null || failure == null
                ? what == null ? failure : what
                : failure + "; " + what;
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
                resumed,
                state == State.RUNNING && standing.get().asked,
                failure);
    }
}
