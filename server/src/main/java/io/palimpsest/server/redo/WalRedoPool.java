package io.palimpsest.server.redo;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Event;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.server.runtime.LogTracer;
import java.io.IOException;
import java.io.StreamCorruptedException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * PostgreSQL's own redo as a {@link RedoEngine}: a few processes for each version, started when
 * asked for, ended when idle, replaced when they die.
 *
 * <p>A request never hangs: it waits a bounded time for a process, and a process that does not
 * answer in time is killed by the pool's watch. A request whose process died or was killed is tried
 * again on another one; a process that ends itself because it refuses a record is believed.
 */
public final class WalRedoPool implements RedoEngine, AutoCloseable {
    /**
     * @param mode when it is asked
     * @param processes at most so many for one version
     * @param timeoutNanos how long a request may wait for a process, and a process may take for a
     *     page
     * @param idleNanos a process not used for so long is ended
     */
    public record Settings(Mode mode, int processes, long timeoutNanos, long idleNanos) {}

    /** Processes that are alike: of one version, started with the same settings. */
    private static final class Group {
        final PgVersion version;
        final boolean hintBitsLogged;
        final ArrayDeque<Idle> idle = new ArrayDeque<>();
        final List<WalRedoProcess> busy = new ArrayList<>();

        /** Being started; counted, as they will be busy. */
        int starting;

        /** Processes in a row that ended before their first page. */
        int failures;

        /** System.nanoTime() before which none is started. */
        long notBefore = System.nanoTime();

        Group(PgVersion version, boolean hintBitsLogged) {
            this.version = version;
            this.hintBitsLogged = hintBitsLogged;
        }

        int size() {
            return idle.size() + busy.size() + starting;
        }
    }

    private record Idle(WalRedoProcess process, long since) {}

    private static final Logger LOG = LoggerFactory.getLogger(WalRedoPool.class);
    private static final LogTracer TRACER = new LogTracer(WalRedoPool.class);

    /** Exit status of a process that refuses a record (walredo/start.c). */
    private static final int REFUSED = 4;

    /** Exit status of a process that died of signal n is this and n: abort, bad memory, sandbox. */
    private static final int SIGNALLED = 128;

    /** Exit status of a process that somebody killed (SIGKILL). */
    private static final int KILLED = SIGNALLED + 9;

    private static final int ATTEMPTS = 2;
    private static final int ATTEMPTS_IF_KILLED = 5;
    private static final long FIRST_DELAY_NANOS = 10_000_000;
    private static final int MOST_DOUBLINGS = 7;

    private final RedoLauncher launcher;
    private final Settings settings;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final TreeMap<Integer, Group> groups = new TreeMap<>();
    private final Thread watch;
    private boolean closed;

    public WalRedoPool(RedoLauncher launcher, Settings settings) {
        this.launcher = launcher;
        this.settings = settings;
        watch = Thread.ofPlatform().daemon().name("wal-redo-watch").start(this::watch);
    }

    @Override
    public Mode mode() {
        return settings.mode();
    }

    @Override
    public boolean knows(int majorVersion) {
        return launcher.command(majorVersion, false) != null;
    }

    @Override
    public void apply(
            int majorVersion,
            boolean hintBitsLogged,
            Values values,
            int oldest,
            int newest,
            byte[] page) {
        for (int attempt = 1; ; attempt++) {
            WalRedoProcess process = take(majorVersion, hintBitsLogged);
            try {
                process.redo(values, oldest, newest, page);
            } catch (IOException e) {
                discard(majorVersion, hintBitsLogged, process, e, attempt);
                continue;
            } catch (RuntimeException | Error e) {
                // A value that is no record slice: nothing was sent that the process could be
                // believed after.
                remove(majorVersion, hintBitsLogged, process);
                process.end(true);
                throw e;
            }
            giveBack(majorVersion, hintBitsLogged, process);
            return;
        }
    }

    /** How many processes there are now, busy and idle. */
    public int processes() {
        lock.lock();
        try {
            return groups.values().stream().mapToInt(Group::size).sum();
        } finally {
            lock.unlock();
        }
    }

    /** Their process ids. */
    public List<Long> pids() {
        lock.lock();
        try {
            List<Long> pids = new ArrayList<>();
            for (Group g : groups.values()) {
                g.idle.forEach(i -> pids.add(i.process.pid()));
                g.busy.forEach(p -> pids.add(p.pid()));
            }
            return pids;
        } finally {
            lock.unlock();
        }
    }

    private Group group(int majorVersion, boolean hintBitsLogged) {
        return groups.computeIfAbsent(
                2 * majorVersion + (hintBitsLogged ? 1 : 0),
                k -> new Group(PgVersion.ofMajor(majorVersion), hintBitsLogged));
    }

    /** An idle process, or a new one if there may be more; else waits for one. */
    private WalRedoProcess take(int majorVersion, boolean hintBitsLogged) {
        long deadline = System.nanoTime() + settings.timeoutNanos();
        Group g;
        lock.lock();
        try {
            g = group(majorVersion, hintBitsLogged);
            while (true) {
                requireOpen();
                Idle idle = g.idle.pollLast();
                if (idle != null) {
                    g.busy.add(idle.process);
                    return idle.process;
                }
                long now = System.nanoTime();
                boolean room = g.size() < settings.processes();
                if (room && now - g.notBefore >= 0) {
                    g.starting++;
                    break;
                }
                if (now - deadline >= 0) {
                    throw PageserverException.of(
                            ErrorCode.IO,
                            "no redo process for PostgreSQL %d became free within %d ms",
                            majorVersion,
                            settings.timeoutNanos() / 1_000_000);
                }
                long wait = deadline - now;
                await(room ? Math.min(wait, g.notBefore - now) : wait);
            }
        } finally {
            lock.unlock();
        }
        return start(g);
    }

    private void requireOpen() {
        if (closed) {
            throw PageserverException.of(ErrorCode.SHUTTING_DOWN, "the server is shutting down");
        }
    }

    /** Callers look again in a loop. */
    @SuppressWarnings("WaitNotInLoop")
    private void await(long nanos) {
        try {
            long left = changed.awaitNanos(nanos);
            LOG.trace("waited for a redo process, {} ns left", left);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new PageserverException(
                    ErrorCode.SHUTTING_DOWN, "interrupted while waiting for a redo process", e);
        }
    }

    private WalRedoProcess start(Group g) {
        WalRedoProcess started = null;
        try {
            ProcessBuilder command = launcher.command(g.version.major(), g.hintBitsLogged);
            if (command == null) {
                throw PageserverException.of(
                        ErrorCode.UNSUPPORTED,
                        "no redo process for PostgreSQL %d: its library is not built (make walredo) or its server is not installed",
                        g.version.major());
            }
            started = WalRedoProcess.start(g.version, command);
            TRACER.event(
                    Event.REDO_PROCESS_STARTED,
                    "process " + started.pid() + " for PostgreSQL " + g.version.major());
            return started;
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.IO,
                    "could not start a redo process for PostgreSQL "
                            + g.version.major()
                            + ": "
                            + e.getMessage(),
                    e);
        } finally {
            started(g, started);
        }
    }

    private void started(Group g, @Nullable WalRedoProcess process) {
        lock.lock();
        try {
            g.starting--;
            if (process != null) {
                g.busy.add(process);
            } else {
                failed(g);
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** The more processes have failed in a row, the later the next one. */
    private static void failed(Group g) {
        long delay = FIRST_DELAY_NANOS << Math.min(g.failures++, MOST_DOUBLINGS);
        g.notBefore = System.nanoTime() + delay;
    }

    private void giveBack(int majorVersion, boolean hintBitsLogged, WalRedoProcess process) {
        boolean keep;
        lock.lock();
        try {
            Group g = group(majorVersion, hintBitsLogged);
            g.busy.remove(process);
            g.failures = 0;
            keep = !closed;
            if (keep) {
                g.idle.addLast(new Idle(process, System.nanoTime()));
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        if (!keep) {
            process.end(true);
        }
    }

    private void remove(int majorVersion, boolean hintBitsLogged, WalRedoProcess process) {
        lock.lock();
        try {
            Group g = group(majorVersion, hintBitsLogged);
            g.busy.remove(process);
            if (process.pages() == 0) {
                failed(g);
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Ends a process that failed; throws unless the request may be tried on another. */
    private void discard(
            int majorVersion,
            boolean hintBitsLogged,
            WalRedoProcess process,
            IOException failure,
            int attempt) {
        // Broken pipes mean that it has ended or is about to: let it, for its own exit status.
        boolean ended = !(failure instanceof StreamCorruptedException);
        int status = process.end(!ended);
        boolean timedOut = process.timedOut();
        remove(majorVersion, hintBitsLogged, process);
        lock.lock();
        try {
            requireOpen();
        } finally {
            lock.unlock();
        }
        boolean itsOwnEnd = ended && !timedOut;
        boolean refused = itsOwnEnd && status == REFUSED;
        boolean killed = itsOwnEnd && status == KILLED;
        boolean diedOfIt = itsOwnEnd && status > SIGNALLED && !killed;
        String why =
                timedOut
                        ? "it did not answer within " + settings.timeoutNanos() / 1_000_000 + " ms"
                        : failure.getMessage() + ", exit status " + status;
        String said = process.lastMessage();
        TRACER.event(
                Event.REDO_PROCESS_FAILED,
                "process " + process.pid() + " for PostgreSQL " + majorVersion + ": " + why);
        if (refused || attempt >= (killed ? ATTEMPTS_IF_KILLED : ATTEMPTS)) {
            throw new PageserverException(
                    refused || diedOfIt ? ErrorCode.CORRUPTION : ErrorCode.IO,
                    "redo process for PostgreSQL "
                            + majorVersion
                            + ": "
                            + why
                            + (said.isEmpty() ? "" : ": " + said),
                    failure);
        }
    }

    /** Kills processes that take too long, ends those that are idle for long. */
    private void watch() {
        long tick = Math.clamp(settings.timeoutNanos() / 8, 1_000_000, 250_000_000);
        List<WalRedoProcess> surplus = new ArrayList<>();
        while (true) {
            lock.lock();
            try {
                if (closed) {
                    return;
                }
                long now = System.nanoTime();
                for (Group g : groups.values()) {
                    for (WalRedoProcess p : g.busy) {
                        long since = p.busySince();
                        if (since != 0 && now - since > settings.timeoutNanos()) {
                            p.timeOut();
                        }
                    }
                    while (!g.idle.isEmpty()
                            && now - g.idle.peekFirst().since > settings.idleNanos()) {
                        surplus.add(g.idle.pollFirst().process);
                    }
                }
            } finally {
                lock.unlock();
            }
            for (WalRedoProcess p : surplus) {
                LOG.debug("wal redo process {} was idle, and is ended", p.pid());
                p.end(false);
            }
            surplus.clear();
            try {
                TimeUnit.NANOSECONDS.sleep(tick);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    /** Ends all processes; requests under way fail with SHUTTING_DOWN. */
    @Override
    public void close() {
        List<WalRedoProcess> idle = new ArrayList<>();
        lock.lock();
        try {
            closed = true;
            for (Group g : groups.values()) {
                g.idle.forEach(i -> idle.add(i.process));
                g.idle.clear();
                g.busy.forEach(WalRedoProcess::timeOut);
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        watch.interrupt();
        idle.forEach(p -> p.end(false));
    }
}
