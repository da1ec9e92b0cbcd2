package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.protocol.ReplicationConnection;
import io.palimpsest.protocol.ReplicationError;
import io.palimpsest.protocol.ReplicationSlot;
import io.palimpsest.protocol.ReplicationStream;
import io.palimpsest.protocol.SystemIdentity;
import org.jspecify.annotations.Nullable;

/**
 * Follows an ordinary Postgres: connects, streams from the last record on, writes what comes,
 * reports what is durable, and connects again when either side was away.
 *
 * <p>States: CONNECTING -&gt; STREAMING -&gt; (connection lost) WAITING -&gt; CONNECTING ...; any
 * -&gt; BROKEN when only a person can help (another cluster, slot gone, WAL recycled, WAL here that
 * the source's cluster has lost, damaged WAL or layer); any -&gt; STOPPED. What a person has put
 * right is noticed: a broken receiver tries once a minute, with all the checks of the first time,
 * and stays BROKEN until it streams. Only a timeline that has failed itself, or was taken over, is
 * not tried again.
 *
 * <p>After a promotion it goes over to the next WAL timeline, where that begins.
 *
 * <p>Reported as flushed is what the index names, with a store the index that is there, never more:
 * Postgres may drop WAL before it. When we have all there is and the server wants an answer,
 * everything is flushed first, because a Postgres that shuts down waits for just that.
 */
public final class WalReceiver {
    /** What the receiver is doing. */
    public enum State {
        CONNECTING,
        STREAMING,
        WAITING,
        BROKEN,
        /** By a person, until one takes that back. */
        PAUSED,
        STOPPED
    }

    private static final long STATUS_INTERVAL = 1_000_000_000L;
    private static final long FIRST_BACKOFF = 100_000_000L;
    private static final long LONGEST_BACKOFF = 5_000_000_000L;
    private static final long BROKEN_PAUSE = 60_000_000_000L;
    private static final long LONGEST_UPLOAD = 30_000_000_000L;
    private static final long SERVER_SILENCE = 120_000_000_000L;

    private final Environment environment;
    private final Limits limits;
    private final Timeline timeline;
    private final WalSource source;

    /** The slot is the owner's: a stale location streams what WAL the source still has. */
    private final boolean slot;

    private volatile State state = State.CONNECTING;
    private volatile String detail = "";
    private volatile long receivedLsn;
    private volatile long serverEnd;
    private volatile boolean stopping;
    private volatile boolean progressed;

    /** Null while it is paused. */
    private Tasks.@Nullable Task task;

    private WalReceiver(
            Environment environment, Limits limits, Timeline timeline, WalSource source) {
        this.environment = environment;
        this.limits = limits;
        this.timeline = timeline;
        this.source = source;
        this.slot = timeline.owned();
        this.receivedLsn = timeline.lastRecordLsn();
    }

    /** Starts following {@code source}, unless that is paused. */
    public static WalReceiver start(
            Environment environment, Limits limits, Timeline timeline, WalSource source) {
        WalReceiver receiver = new WalReceiver(environment, limits, timeline, source);
        if (source.paused()) {
            receiver.state = State.PAUSED;
            return receiver;
        }
        receiver.task =
                environment
                        .tasks()
                        .spawn(Lane.LATENCY, "walreceiver " + timeline.id(), receiver::run);
        return receiver;
    }

    /** Asks it to end; {@link #stop} waits for that. */
    public void beginStop() {
        stopping = true;
        if (task != null) {
            task.cancel();
        }
    }

    /** Ends it and waits until it has ended: at most as long as a connection attempt may take. */
    public void stop() {
        beginStop();
        if (task != null) {
            task.join();
        }
    }

    public State state() {
        return state;
    }

    /** The state in words: whom it follows, or what went wrong and what to do. */
    public String status() {
        return switch (state) {
            case CONNECTING -> "connecting to " + source + (detail.isEmpty() ? "" : ": " + detail);
            case STREAMING -> "streaming from " + source;
            case WAITING -> "waiting to connect again to " + source + ": " + detail;
            case BROKEN -> "broken: " + detail;
            case PAUSED ->
                    "paused: nothing is taken from "
                            + source
                            + ", which keeps its WAL meanwhile; palimpsest source resume "
                            + source.slot();
            case STOPPED -> "stopped";
        };
    }

    public WalSource source() {
        return source;
    }

    /** End of the WAL received, decoded or not. */
    public long receivedLsn() {
        return receivedLsn;
    }

    /** End of the source's WAL as it last said. */
    public long serverEnd() {
        return serverEnd;
    }

    private void run() {
        long backoff = FIRST_BACKOFF;
        String logged = "";
        try {
            while (!stopping) {
                if (state != State.BROKEN) {
                    state = State.CONNECTING;
                }
                progressed = false;
                try {
                    follow();
                    detail = "the source closed the stream";
                } catch (PageserverException e) {
                    if (stopping) {
                        break;
                    }
                    boolean helped = state != State.BROKEN;
                    if (!retryable(e) || !helped) {
                        // Who follows the source in our place may be the reason for all of it.
                        String why = timeline.orFenced(String.valueOf(e.getMessage()));
                        if (helped || !why.equals(detail)) {
                            broken(why);
                        }
                        if (!worthAnother(why)) {
                            return;
                        }
                        continue;
                    }
                    detail = String.valueOf(e.getMessage());
                }
                if (progressed) {
                    backoff = FIRST_BACKOFF;
                    logged = "";
                } else {
                    backoff = Math.min(LONGEST_BACKOFF, backoff * 3 / 2);
                }
                if (!stopping) {
                    state = State.WAITING;
                    if (!logged.equals(detail)) {
                        logged = detail;
                        environment
                                .tracer()
                                .event(Event.WALRECEIVER_WAITING, timeline.subject(), detail);
                    }
                    timeline.flushIfOld();
                    environment.tasks().sleep(backoff);
                }
            }
            state = State.STOPPED;
        } catch (Tasks.Cancelled e) {
            state = State.STOPPED;
        } catch (PageserverException e) {
            broken(String.valueOf(e.getMessage()));
        } catch (RuntimeException e) {
            broken("a defect of the page server, please report it: " + e);
            throw e;
        }
    }

    /**
     * Says why, makes durable what is there, because the source may never give it again, and only
     * then is broken. Nobody waits for its WAL from now on, until it streams again.
     */
    private void broken(String why) {
        detail = why;
        environment
                .tracer()
                .event(
                        Event.WALRECEIVER_BROKEN,
                        timeline.subject(),
                        "cannot follow " + source + " until that is put right: " + why);
        timeline.endWal(why);
        timeline.keepWhatArrived();
        state = State.BROKEN;
    }

    /**
     * Pauses, in which a person may put right what is broken. One that was taken over meanwhile
     * must not take the slot from its new owner.
     */
    private boolean worthAnother(String why) {
        if (timeline.failure() == null) {
            environment.tasks().sleep(BROKEN_PAUSE);
            timeline.orFenced(why);
        }
        return timeline.failure() == null;
    }

    /**
     * Worth another try without a person at our side: the network, a restart of the source, its
     * access rules, a slot our own dead connection still holds.
     */
    private boolean retryable(PageserverException e) {
        if (timeline.failure() != null) {
            return false;
        }
        return switch (e.code()) {
            case IO, NO_SPACE, THROTTLED, UNAVAILABLE, LSN_TIMEOUT, SHUTTING_DOWN -> true;
            case CONFLICT -> ReplicationError.is(e, ReplicationError.SLOT_IN_USE);
            case BAD_REQUEST,
                    UNAUTHORIZED,
                    FORBIDDEN,
                    DENIED,
                    PRECONDITION_FAILED,
                    NOT_FOUND,
                    LSN_OUT_OF_RANGE,
                    CORRUPTION,
                    UNSUPPORTED,
                    SOURCE_BROKEN,
                    CANCELLED ->
                    false;
        };
    }

    private void follow() {
        try (ReplicationConnection connection = SourceSlot.connect(environment, source)) {
            SystemIdentity identity = check(connection);
            while (true) {
                long from = timeline.lastRecordLsn();
                SourceHistory.continued(connection, identity, timeline, source, from);
                checkSlot(connection);
                try {
                    if (!receive(
                            connection.startReplication(
                                    slot ? source.slot() : null, from, timeline.walTimeline()),
                            from)) {
                        return;
                    }
                } catch (PageserverException e) {
                    throw explain(e, from);
                }
                identity = connection.identifySystem();
            }
        } catch (PageserverException e) {
            throw SourceError.explain(e, source);
        }
    }

    /** Is it the cluster that the timeline is of? */
    private SystemIdentity check(ReplicationConnection connection) {
        if (connection.version() != timeline.version()) {
            throw PageserverException.of(
                    ErrorCode.SOURCE_BROKEN,
                    "the source runs PostgreSQL %d, this timeline holds %d; after a major upgrade import it as a new timeline",
                    connection.version().major(),
                    timeline.version().major());
        }
        SystemIdentity identity = connection.identifySystem();
        if (identity.systemId() != timeline.systemIdentifier()) {
            throw PageserverException.of(
                    ErrorCode.SOURCE_BROKEN,
                    "the source is another cluster: system identifier %s, expected %s; start the right server there, or import this one as a new timeline",
                    Long.toUnsignedString(identity.systemId()),
                    Long.toUnsignedString(timeline.systemIdentifier()));
        }
        if (connection.walSegmentSize() != timeline.segmentSize()) {
            throw PageserverException.of(
                    ErrorCode.SOURCE_BROKEN,
                    "the source has WAL segments of %d bytes, expected %d; pg_resetwal has changed them: import it as a new timeline",
                    connection.walSegmentSize(),
                    timeline.segmentSize());
        }
        serverEnd = identity.flushLsn();
        return identity;
    }

    private void checkSlot(ReplicationConnection connection) {
        if (slot
                && connection.readReplicationSlot(source.slot())
                        instanceof ReplicationSlot.Absent) {
            throw PageserverException.of(ErrorCode.SOURCE_BROKEN, "%s", slotGone());
        }
    }

    private String slotGone() {
        return "replication slot "
                + source.slot()
                + " is gone from the source, or never was on a server that took over, so WAL after "
                + Lsn.toString(timeline.lastRecordLsn())
                + " may be gone too; if you are sure it is not, create the slot again by SELECT pg_create_physical_replication_slot('"
                + source.slot()
                + "', true), which is noticed within a minute, else import the source as a new timeline";
    }

    /** Advice that needs to know where we stand; the rest is {@link SourceError}'s. */
    private PageserverException explain(PageserverException e, long from) {
        ReplicationError said = ReplicationError.of(e);
        if (said == null) {
            return e.code() == ErrorCode.CORRUPTION && timeline.failure() == null
                    ? new PageserverException(
                            ErrorCode.CORRUPTION,
                            "what the source sends does not continue the WAL up to "
                                    + Lsn.toString(timeline.lastRecordLsn())
                                    + ", or it is damaged: "
                                    + e.getMessage()
                                    + "; it is tried again from there every minute; if it stays, "
                                    + SourceHistory.importAnew(timeline, source),
                            e)
                    : e;
        }
        if (said.sqlState().equals(ReplicationError.WAL_REMOVED) && !slot) {
            return new PageserverException(
                    ErrorCode.SOURCE_BROKEN,
                    "the source has recycled the WAL at "
                            + Lsn.toString(from)
                            + ", which nothing keeps for a stale location ("
                            + said.serverMessage()
                            + "); what came before is read on",
                    said);
        }
        if (said.sqlState().equals(ReplicationError.WAL_REMOVED)) {
            return new PageserverException(
                    ErrorCode.SOURCE_BROKEN,
                    "the source has recycled the WAL at "
                            + Lsn.toString(from)
                            + " ("
                            + said.serverMessage()
                            + "); if another branch has it, `palimpsest source rewind` goes on from that, else drop slot "
                            + source.slot()
                            + ", import the source as a new timeline, and give max_slot_wal_keep_size more room",
                    said);
        }
        if (said.sqlState().equals(ReplicationError.NO_SUCH_SLOT)) {
            return new PageserverException(ErrorCode.SOURCE_BROKEN, slotGone(), said);
        }
        return e;
    }

    /**
     * The source wants an answer, perhaps because it shuts down and waits for us. A store that does
     * not take it must not hold that up: then we leave.
     */
    private void makeSafe() {
        long last = timeline.lastRecordLsn();
        timeline.flushUpTo(last);
        if (!timeline.awaitSafe(last, LONGEST_UPLOAD)) {
            throw PageserverException.of(
                    ErrorCode.IO,
                    "the source wants to know what is safe, and the store has taken WAL up to %s only, not up to %s, for %d s",
                    Lsn.toString(timeline.safeLsn()),
                    Lsn.toString(last),
                    LONGEST_UPLOAD / 1_000_000_000L);
        }
    }

    /**
     * @return true if this WAL timeline has ended and another goes on from the last record; false
     *     if there is no more to come
     */
    private boolean receive(ReplicationStream stream, long from) {
        WalWriting writing = new WalWriting(timeline, limits, from);
        Clock clock = environment.clock();
        receivedLsn = from;
        detail = "";
        timeline.expectWal();
        state = State.STREAMING;
        environment
                .tracer()
                .event(
                        Event.WALRECEIVER_STREAMING,
                        timeline.subject(),
                        "from "
                                + source
                                + " at "
                                + Lsn.toString(from)
                                + " of WAL timeline "
                                + Integer.toUnsignedString(timeline.walTimeline()));
        long lastHeard = clock.monotonicNanos();
        long lastStatus = 0;
        while (!stopping) {
            // While WAL waits for the store the source hears of us all the same.
            boolean room = timeline.awaitRoomInStore(STATUS_INTERVAL);
            ReplicationStream.Event event =
                    room ? stream.receive(STATUS_INTERVAL) : ReplicationStream.Event.NOTHING;
            boolean replyNow = false;
            switch (event) {
                case WAL -> {
                    serverEnd = Math.max(serverEnd, stream.serverEnd());
                    writing.write(
                            stream.walStart(), stream.array(), stream.offset(), stream.length());
                    receivedLsn = writing.position();
                    progressed = true;
                }
                case KEEPALIVE -> {
                    serverEnd = Math.max(serverEnd, stream.serverEnd());
                    replyNow = stream.replyRequested();
                    if (slot && replyNow && writing.position() >= stream.serverEnd()) {
                        makeSafe();
                    }
                }
                case NOTHING -> {
                    timeline.checkNotFenced();
                    timeline.flushIfOld();
                }
                case END_OF_TIMELINE -> {
                    checkEnd(stream.nextTimelineId(), stream.nextTimelineStart());
                    return true;
                }
                case STOPPED, SERVER_CLOSING -> {
                    return false;
                }
            }
            long now = clock.monotonicNanos();
            lastHeard = room && event == ReplicationStream.Event.NOTHING ? lastHeard : now;
            if (now - lastHeard > SERVER_SILENCE) {
                throw PageserverException.of(
                        ErrorCode.IO,
                        "nothing heard from %s for %d s",
                        source,
                        SERVER_SILENCE / 1_000_000_000L);
            }
            if (replyNow || now - lastStatus >= STATUS_INTERVAL) {
                // Nobody relies on what a stale location has: it says what it has got, and no more.
                long durable = slot ? timeline.safeLsn() : 0;
                stream.sendStatus(
                        writing.position(),
                        durable,
                        durable,
                        environment.clock().wallMillis(),
                        now - lastHeard > SERVER_SILENCE / 2);
                lastStatus = now;
            }
        }
        return false;
    }

    /** A timeline ends where a record does, and what we have is all of it. */
    private void checkEnd(int nextTimeline, long end) {
        boolean later = Integer.compareUnsigned(nextTimeline, timeline.walTimeline()) > 0;
        if (!later || end != timeline.lastRecordLsn()) {
            throw PageserverException.corruption(
                    "the source says that WAL timeline %s ends at %s and %s goes on; its last record that came ends at %s",
                    Integer.toUnsignedString(timeline.walTimeline()),
                    Lsn.toString(end),
                    Integer.toUnsignedString(nextTimeline),
                    Lsn.toString(timeline.lastRecordLsn()));
        }
    }
}
