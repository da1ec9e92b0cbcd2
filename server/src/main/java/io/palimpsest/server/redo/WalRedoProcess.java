package io.palimpsest.server.redo;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Event;
import io.palimpsest.port.RedoEngine.Values;
import io.palimpsest.redo.RecordAssembly;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.value.StoredValue;
import java.io.BufferedReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.StreamCorruptedException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One redo process and the pipes to it. A page is one write and one read; one caller at a time.
 *
 * <p>The calls block for as long as the process takes. Whoever watches it ({@link #busySince})
 * kills it if that is too long, and then they fail.
 *
 * <pre>
 * message  u32 kind, u32 body length, body, zeros up to a multiple of 8   (machine's order)
 * 'B'      u32 spc, db, rel, fork, block, u32 request number
 * 'P'      8192 bytes: the page to start from; not sent: zeros
 * 'A'      u64 end LSN, WAL record
 * 'G'      empty; the answer is  u32 'R', u32 request number, 8192 bytes
 * </pre>
 */
final class WalRedoProcess {
    private static final Logger LOG = LoggerFactory.getLogger(WalRedoProcess.class);
    private static final LogTracer TRACER = new LogTracer(WalRedoProcess.class);
    private static final int ANSWER_HEADER = 8;
    private static final int KEEP_BYTES = 4 << 20;
    private static final int LONGEST_LINE = 4096;
    private static final long END_MILLIS = 2000;

    private final Process process;
    private final OutputStream out;
    private final InputStream in;
    private final Thread messages;
    private final RecordAssembly assembly;
    private final RecordSlice slice = new RecordSlice();
    private final byte[] answer = new byte[ANSWER_HEADER + Page.SIZE];
    private ByteSink request = new ByteSink(64 << 10);
    private int number;
    private volatile String lastMessage = "";

    /** System.nanoTime() when the request under way began; 0 if there is none. */
    private volatile long busySince;

    private volatile boolean timedOut;
    private final AtomicLong pages = new AtomicLong();

    private WalRedoProcess(PgVersion version, Process process) {
        this.process = process;
        out = process.getOutputStream();
        in = process.getInputStream();
        assembly = new RecordAssembly(version);
        messages =
                Thread.ofPlatform()
                        .daemon()
                        .name("wal-redo-messages-" + process.pid())
                        .start(this::logMessages);
    }

    static WalRedoProcess start(PgVersion version, ProcessBuilder command) throws IOException {
        return new WalRedoProcess(version, command.start());
    }

    /**
     * Applies values {@code oldest} down to {@code newest} to the page.
     *
     * @throws StreamCorruptedException if what it answers is no answer
     * @throws IOException if it ended, or was killed
     */
    void redo(Values values, int oldest, int newest, byte[] page) throws IOException {
        busySince = Math.max(1, System.nanoTime());
        try {
            number++;
            write(values, oldest, newest, page);
            out.write(request.array(), 0, request.size());
            out.flush();
            if (in.readNBytes(answer, 0, answer.length) < answer.length) {
                throw new EOFException("it ended");
            }
            if (Bytes.i32(answer, 0) != 'R' || Bytes.i32(answer, 4) != number) {
                throw new StreamCorruptedException(
                        String.format(
                                "expected the answer to request %d, found %08x %08x",
                                number, Bytes.i32(answer, 0), Bytes.i32(answer, 4)));
            }
            System.arraycopy(answer, ANSWER_HEADER, page, 0, Page.SIZE);
            pages.incrementAndGet();
        } finally {
            busySince = 0;
            if (request.array().length > KEEP_BYTES) {
                request = new ByteSink(64 << 10);
            }
        }
    }

    private void write(Values values, int oldest, int newest, byte[] page) {
        request.clear();
        int at = begin('B');
        int spc = (int) values.hi();
        int db = (int) (values.mid() >>> 32);
        int rel = (int) values.mid();
        request.i32(spc);
        request.i32(db);
        request.i32(rel);
        request.i32((int) (values.lo() >>> 32));
        request.i32((int) values.lo());
        request.i32(number);
        end(at);
        byte[] b = values.bytes();
        if (!StoredValue.isInitial(b, values.offset(oldest))) {
            at = begin('P');
            request.bytes(page);
            end(at);
        }
        for (int i = oldest; i >= newest; i--) {
            at = begin('A');
            request.i64(values.lsn(i));
            slice.wrap(b, values.offset(i), values.length(i), values.lsn(i));
            assembly.append(request, slice, spc, db, rel);
            end(at);
        }
        end(begin('G'));
    }

    private int begin(char kind) {
        request.i32(kind);
        request.i32(0);
        return request.size();
    }

    private void end(int at) {
        int length = request.size() - at;
        Bytes.putI32(request.array(), at - 4, length);
        request.zeros(-length & 7);
    }

    private void logMessages() {
        try (BufferedReader lines =
                new BufferedReader(
                        new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8))) {
            StringBuilder line = new StringBuilder();
            for (int c = lines.read(); c >= 0; c = lines.read()) {
                if (c == '\n') {
                    message(line);
                } else if (line.length() < LONGEST_LINE) {
                    line.append((char) c);
                }
            }
            message(line);
        } catch (IOException e) {
            LOG.debug("wal redo process {}: its messages ended", process.pid(), e);
        }
    }

    private void message(StringBuilder line) {
        if (!line.isEmpty()) {
            String text = line.toString();
            line.setLength(0);
            if (text.startsWith("LOG:")) {
                // A preloaded library that says what it registers, at every start.
                LOG.debug("wal redo process {}: {}", process.pid(), text);
                return;
            }
            lastMessage = text;
            TRACER.event(Event.REDO_PROCESS_SAID, "process " + process.pid() + ": " + text);
        }
    }

    long pid() {
        return process.pid();
    }

    long busySince() {
        return busySince;
    }

    /** How many it has made. */
    long pages() {
        return pages.get();
    }

    boolean timedOut() {
        return timedOut;
    }

    /** Makes the call under way fail. */
    void timeOut() {
        timedOut = true;
        kill();
    }

    private void kill() {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    /**
     * Ends it, at the latest by force, and waits for that.
     *
     * @param byForce at once
     * @return its exit status, 128 + n for signal n; -1 if it cannot be ended
     */
    int end(boolean byForce) {
        try {
            if (byForce) {
                kill();
            }
            try {
                out.close();
            } catch (IOException e) {
                LOG.debug("wal redo process {} has closed its input", process.pid(), e);
            }
            if (!process.waitFor(END_MILLIS, TimeUnit.MILLISECONDS)) {
                kill();
                if (!process.waitFor(END_MILLIS, TimeUnit.MILLISECONDS)) {
                    return -1;
                }
            }
            messages.join(END_MILLIS);
            return process.exitValue();
        } catch (InterruptedException e) {
            kill();
            Thread.currentThread().interrupt();
            return -1;
        }
    }

    /** The last line it wrote to stderr; all it wrote is there once it has been ended. */
    String lastMessage() {
        return lastMessage;
    }
}
