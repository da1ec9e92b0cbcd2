package io.palimpsest.server.redo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.Event;
import io.palimpsest.port.RedoEngine.Mode;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tracer;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.timeline.HistoryRedo;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the pool does when its processes misbehave. */
@Timeout(60)
final class WalRedoPoolTest {
    private static final RelTag TABLE = new RelTag(1663, 5, 16384, RelTag.MAIN);
    private static final long LSN = 0x100_0058;
    private static final RedoContext CONTEXT = new RedoContext(PgVersion.V15, true);

    /** Events that say that something is wrong. */
    private static final class Events implements Tracer {
        final List<String> seen = new ArrayList<>();

        @Override
        public void event(Event event, Subject subject, String detail) {
            seen.add(event.word());
        }
    }

    /** A heap page made of inserts: the first initialises it. */
    private static History inserts(int count) {
        History history = new History(TABLE, 0);
        for (int i = 1; i <= count; i++) {
            int item = i;
            history.add(LSN + 8L * i, out -> insert(out, Rmgr.HEAP, item));
        }
        return history;
    }

    private static void insert(ByteSink out, int rmid, int item) {
        out.u8(StoredValue.RECORD);
        out.u8(item == 1 ? 1 : 0);
        out.u8(rmid);
        out.u8(item == 1 ? 0x80 : 0);
        out.i32(700);
        out.u8(0);
        out.u8(1);
        out.u8(0);
        out.u8(WalRecord.HAS_DATA | (item == 1 ? WalRecord.WILL_INIT : 0));
        out.i32(0);
        out.u16(10);
        out.u8(0);
        // xl_heap_header { infomask2, infomask, hoff }, a pad byte, one integer column
        out.u16(1);
        out.u16(0);
        out.u8(24);
        out.u8(0);
        out.i32(item);
        // xl_heap_insert { offset number, flags }
        out.u16(item);
        out.u8(0);
    }

    private static byte[] byJvm(History history) {
        byte[] page = new byte[Page.SIZE];
        PageRedo redo = new PageRedo(CONTEXT);
        for (int i = history.count() - 1; i >= 0; i--) {
            redo.apply(page, history.bytes(), history.offset(i), history.length(i), history.lsn(i));
        }
        return page;
    }

    private static byte[] apply(WalRedoPool pool, History history) {
        byte[] page = new byte[Page.SIZE];
        pool.apply(15, true, history, history.count() - 1, 0, page);
        return page;
    }

    private static RedoLauncher script(String shell) {
        return (major, hints) -> new ProcessBuilder("/bin/sh", "-c", shell);
    }

    @Test
    void killedUnderLoadNoRequestFails() throws Exception {
        History history = inserts(10);
        byte[] expected = byJvm(history);
        int threads = 4;
        int requests = 3000;
        AtomicInteger killed = new AtomicInteger();
        AtomicInteger done = new AtomicInteger();
        AtomicBoolean stop = new AtomicBoolean();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        try (WalRedoPool pool = Engines.real(15, Mode.ALWAYS, 3)) {
            List<Thread> all = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                all.add(
                        Thread.ofVirtual()
                                .start(() -> {
                                    try {
                                        for (int i = 0; i < requests; i++) {
                                            assertArrayEquals(expected, apply(pool, history));
                                            done.incrementAndGet();
                                        }
                                    } catch (Throwable e) {
                                        failure.compareAndSet(null, e);
                                    }
                                }));
            }
            Thread killer =
                    Thread.ofPlatform()
                            .start(() -> {
                                // By pages made, not by time: on a full machine a process needs
                                // longer to start than any fixed time between two kills.
                                int next = 100;
                                while (!stop.get()) {
                                    List<Long> pids = pool.pids();
                                    if (done.get() >= next && !pids.isEmpty()) {
                                        long pid = pids.get(killed.get() % pids.size());
                                        if (ProcessHandle.of(pid)
                                                .map(ProcessHandle::destroyForcibly)
                                                .orElse(false)) {
                                            killed.incrementAndGet();
                                            next = done.get() + 100;
                                        }
                                    }
                                    try {
                                        Thread.sleep(1);
                                    } catch (InterruptedException e) {
                                        return;
                                    }
                                }
                            });
            for (Thread thread : all) {
                thread.join();
            }
            stop.set(true);
            killer.join();
        }
        System.out.printf(
                "%d page requests while %d redo processes were killed: failed %s%n",
                done.get(), killed.get(), failure.get() == null ? "none" : failure.get());
        assertEquals(null, failure.get());
        assertEquals(threads * requests, done.get());
        assertTrue(killed.get() >= 10, "killed only " + killed.get());
    }

    @Test
    void aProcessThatHangsIsKilledAndTheRequestFails() {
        try (WalRedoPool pool =
                Engines.pool(script("cat >/dev/null; exec sleep 1000"), Mode.ALWAYS, 1, 200)) {
            long start = System.nanoTime();
            PageserverException e =
                    assertThrows(PageserverException.class, () -> apply(pool, inserts(1)));
            assertEquals(ErrorCode.IO, e.code());
            assertTrue(e.getMessage().contains("did not answer within 200 ms"), e.getMessage());
            assertTrue(System.nanoTime() - start < 5_000_000_000L);
            assertEquals(0, pool.processes());
        }
    }

    /** Neither by filling the pipe to it, nor by a child that keeps its pipes open. */
    @Test
    void aProcessThatDoesNotReadIsKilledToo() {
        try (WalRedoPool pool = Engines.pool(script("sleep 1000; true"), Mode.ALWAYS, 1, 200)) {
            History large = new History(TABLE, 0);
            large.add(LSN, out -> insert(out, Rmgr.HEAP, 1));
            for (int i = 0; i < 5000; i++) {
                int item = i + 2;
                large.add(LSN + 8L * item, out -> insert(out, Rmgr.HEAP, item));
            }
            PageserverException e =
                    assertThrows(PageserverException.class, () -> apply(pool, large));
            assertEquals(ErrorCode.IO, e.code());
            assertTrue(e.getMessage().contains("did not answer"), e.getMessage());
        }
    }

    @Test
    void garbageIsNoAnswer() {
        try (WalRedoPool pool = Engines.pool(script("exec yes garbage"), Mode.ALWAYS, 1, 5000)) {
            PageserverException e =
                    assertThrows(PageserverException.class, () -> apply(pool, inserts(1)));
            assertEquals(ErrorCode.IO, e.code());
            assertTrue(e.getMessage().contains("expected the answer to request"), e.getMessage());
        }
    }

    @Test
    void aProcessThatEndsAtOnceSaysWhy() {
        try (WalRedoPool pool =
                Engines.pool(script("echo no such luck >&2; exit 3"), Mode.ALWAYS, 1, 5000)) {
            PageserverException e =
                    assertThrows(PageserverException.class, () -> apply(pool, inserts(1)));
            assertEquals(ErrorCode.IO, e.code());
            assertTrue(e.getMessage().contains("exit status 3: no such luck"), e.getMessage());
        }
    }

    @Test
    void noProcessForThisVersion() {
        try (WalRedoPool pool = Engines.pool((major, hints) -> null, Mode.ALWAYS, 1, 5000)) {
            PageserverException e =
                    assertThrows(PageserverException.class, () -> apply(pool, inserts(1)));
            assertEquals(ErrorCode.UNSUPPORTED, e.code());
        }
    }

    @Test
    void aDamagedRecordIsRefusedAndTheNextPageIsFine() {
        History damaged = inserts(2);
        // The second record's item number: PostgreSQL panics on one that leaves a gap.
        int at = damaged.offset(0) + damaged.length(0) - 3;
        Bytes.putU16(damaged.bytes(), at, 200);
        try (WalRedoPool pool = Engines.real(15, Mode.ALWAYS, 1)) {
            PageserverException e =
                    assertThrows(PageserverException.class, () -> apply(pool, damaged));
            assertEquals(ErrorCode.CORRUPTION, e.code());
            assertTrue(e.getMessage().contains("PANIC"), e.getMessage());
            History fine = inserts(10);
            assertArrayEquals(byJvm(fine), apply(pool, fine));
        }
    }

    @Test
    void aChainThatBeginsNowhereIsRefused() {
        History history = new History(TABLE, 0);
        history.add(LSN + 16, out -> insert(out, Rmgr.HEAP, 2));
        try (WalRedoPool pool = Engines.real(15, Mode.ALWAYS, 1)) {
            PageserverException e =
                    assertThrows(PageserverException.class, () -> apply(pool, history));
            assertEquals(ErrorCode.CORRUPTION, e.code());
            assertTrue(e.getMessage().contains("the page is new"), e.getMessage());
        }
    }

    /** Longer than the process keeps stand-ins for, and than its pipe holds. */
    @Test
    void aLongChain() {
        History history = inserts(200);
        History rounds = new History(TABLE, 0);
        for (int round = 0; round < 40; round++) {
            for (int i = 1; i <= 200; i++) {
                int item = i;
                rounds.add(LSN + 8L * (200 * round + i), out -> insert(out, Rmgr.HEAP, item));
            }
        }
        assertEquals(200, history.count());
        try (WalRedoPool pool = Engines.real(15, Mode.ALWAYS, 1)) {
            assertArrayEquals(byJvm(rounds), apply(pool, rounds));
            assertArrayEquals(byJvm(history), apply(pool, history));
        }
    }

    @Test
    void idleProcessesAreEnded() throws Exception {
        RedoLauncher real =
                new PostgresLauncher(
                        Path.of("/usr/lib/postgresql"), PostgresLauncher.builtLibraries(), "");
        Engines.real(15, Mode.ALWAYS, 1).close();
        try (WalRedoPool pool =
                new WalRedoPool(
                        real,
                        new WalRedoPool.Settings(Mode.ALWAYS, 1, 1_000_000_000, 50_000_000))) {
            apply(pool, inserts(1));
            long pid = pool.pids().getFirst();
            for (int i = 0; i < 100 && pool.processes() > 0; i++) {
                Thread.sleep(50);
            }
            assertEquals(0, pool.processes());
            for (int i = 0; i < 100 && ProcessHandle.of(pid).isPresent(); i++) {
                Thread.sleep(20);
            }
            assertTrue(ProcessHandle.of(pid).isEmpty(), "process " + pid + " is still there");
            apply(pool, inserts(1));
        }
    }

    @Test
    void whatTheJvmCannotRedoGoesToTheProcess() {
        History unknown = new History(TABLE, 0);
        unknown.add(LSN, out -> insert(out, 200, 1));
        Events events = new Events();
        byte[] page = new byte[Page.SIZE];
        try (WalRedoPool pool = Engines.real(15, Mode.WHERE_NEEDED, 1)) {
            HistoryRedo redo = new HistoryRedo(CONTEXT, pool, events, Subject.SERVER);
            redo.redo(inserts(3), page);
            assertEquals(0, pool.processes(), "not needed");
            PageserverException e =
                    assertThrows(PageserverException.class, () -> redo.redo(unknown, page));
            assertTrue(e.getMessage().contains("resource manager 200"), e.getMessage());
        }
    }

    @Test
    void bothEnginesAgree() {
        Events events = new Events();
        byte[] page = new byte[Page.SIZE];
        History history = inserts(20);
        try (WalRedoPool pool = Engines.real(15, Mode.COMPARE, 1)) {
            new HistoryRedo(CONTEXT, pool, events, Subject.SERVER).redo(history, page);
            assertEquals(1, pool.processes());
        }
        assertArrayEquals(byJvm(history), page);
        assertEquals(List.of(), events.seen);
    }
}
