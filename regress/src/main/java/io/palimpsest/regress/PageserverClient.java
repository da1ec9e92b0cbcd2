package io.palimpsest.regress;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A client of the page service written from the protocol's description alone, sharing no code with
 * the server: libpq start-up, {@code pagestream_v2} and {@code pagestream_v3}, and the command
 * {@code keyspace}. It checks every echo of version 3. Two connections; not for several threads.
 */
public final class PageserverClient implements PageSource, AutoCloseable {
    private static final int IN_FLIGHT = 128;
    private static final int NBLOCKS = 1;
    private static final int GET_PAGE = 2;
    private static final int EXISTS = 0;
    private static final int DB_SIZE = 3;
    private static final int GET_SLRU_SEGMENT = 4;
    private static final int RESPONSE = 100;
    private static final int ERROR = 103;
    private static final int MAX_MESSAGE = 1 << 20;

    private final String target;
    private final int version;
    private final Wire stream;
    private final Wire queries;
    private final boolean latest;
    private long nextRequest = 1;

    private PageserverClient(
            InetSocketAddress address,
            TenantId tenant,
            TimelineId timeline,
            int version,
            boolean latest)
            throws IOException {
        this.target = tenant + " " + timeline;
        this.version = version;
        this.latest = latest;
        this.stream = new Wire(address);
        try {
            this.queries = new Wire(address);
            stream.query("pagestream_v" + version + " " + target);
            stream.expect('W');
        } catch (IOException | RuntimeException e) {
            stream.close();
            throw e;
        }
    }

    /**
     * @param version of the pagestream protocol, 2 or 3
     */
    public static PageserverClient connect(
            InetSocketAddress address, TenantId tenant, TimelineId timeline, int version) {
        return connect(address, tenant, timeline, version, false);
    }

    /**
     * @param latest asks for the newest version, provided the timeline has reached the LSN a call
     *     names; else for the version at that LSN
     */
    public static PageserverClient connect(
            InetSocketAddress address,
            TenantId tenant,
            TimelineId timeline,
            int version,
            boolean latest) {
        if (version != 2 && version != 3) {
            throw new IllegalArgumentException("pagestream version " + version);
        }
        try {
            return new PageserverClient(address, tenant, timeline, version, latest);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public List<Answer> pages(RelTag tag, int first, int count, long lsn) {
        List<Answer> answers = new ArrayList<>(count);
        try {
            int sent = 0;
            while (answers.size() < count) {
                if (sent < count && sent - answers.size() <= IN_FLIGHT / 2) {
                    int until = Math.min(count, answers.size() + IN_FLIGHT);
                    for (; sent < until; sent++) {
                        send(GET_PAGE, lsn, pageBody(tag, first + sent), nextRequest + sent);
                    }
                    stream.out.flush();
                }
                int n = answers.size();
                answers.add(receive(GET_PAGE, lsn, pageBody(tag, first + n), nextRequest + n));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(tag + " block " + first + "..: " + e.getMessage(), e);
        }
        nextRequest += count;
        return answers;
    }

    public Answer page(RelTag tag, int block, long lsn) {
        return pages(tag, block, 1, lsn).getFirst();
    }

    @Override
    public Answer slruSegment(Slru slru, int segment, long lsn) {
        byte[] body =
                body(out -> {
                    out.writeByte(slru.number());
                    out.writeInt(segment);
                });
        Answer answer = ask(GET_SLRU_SEGMENT, lsn, body);
        if (!(answer instanceof Answer.Pages(byte[] counted))) {
            return answer;
        }
        int pages = counted.length < 4 ? -1 : int32(counted);
        if (counted.length != 4L + (long) pages * Page.SIZE) {
            throw protocol("segment of " + pages + " pages in " + counted.length + " bytes");
        }
        byte[] bytes = new byte[pages * Page.SIZE];
        System.arraycopy(counted, 4, bytes, 0, bytes.length);
        return new Answer.Pages(bytes);
    }

    /** Number of blocks of a fork; an explicit error throws. */
    public int blocks(RelTag tag, long lsn) {
        return int32(must(ask(NBLOCKS, lsn, relationBody(tag))));
    }

    public boolean exists(RelTag tag, long lsn) {
        return must(ask(EXISTS, lsn, relationBody(tag)))[0] != 0;
    }

    /** Bytes of a database's relations in the default tablespace. */
    public long databaseSize(int db, long lsn) {
        byte[] size = must(ask(DB_SIZE, lsn, body(out -> out.writeInt(db))));
        return (long) int32(size) << 32 | int32(size, 4) & 0xFFFF_FFFFL;
    }

    @Override
    public Keyspace keyspace(long lsn) {
        List<Fork> relations = new ArrayList<>();
        List<Segment> segments = new ArrayList<>();
        for (List<@Nullable String> row : rows("keyspace " + target + " " + Lsn.toString(lsn))) {
            int[] n = new int[5];
            for (int i = 0; i < 5; i++) {
                n[i] = Integer.parseUnsignedInt(String.valueOf(row.get(i + 1)));
            }
            switch (String.valueOf(row.getFirst())) {
                case "rel" -> relations.add(new Fork(new RelTag(n[0], n[1], n[2], n[3]), n[4]));
                case "slru" -> segments.add(new Segment(Slru.ofNumber(n[0]), n[2], n[4]));
                default -> throw protocol("keyspace row of kind " + row.getFirst());
            }
        }
        return new Keyspace(relations, segments);
    }

    /** The rows a simple query answers with, as text. */
    public List<List<@Nullable String>> rows(String query) {
        try {
            return queries.rows(query);
        } catch (IOException e) {
            throw new UncheckedIOException(query + ": " + e.getMessage(), e);
        }
    }

    private Answer ask(int tag, long lsn, byte[] body) {
        try {
            long request = nextRequest++;
            send(tag, lsn, body, request);
            stream.out.flush();
            return receive(tag, lsn, body, request);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] must(Answer answer) {
        return switch (answer) {
            case Answer.Pages(byte[] bytes) -> bytes;
            case Answer.Refused(String message) -> throw new IllegalStateException(message);
        };
    }

    /** CopyData: tag, (v3: u64 id), u64 request LSN, u64 not modified since, body. */
    private void send(int tag, long lsn, byte[] body, long request) throws IOException {
        stream.out.writeByte('d');
        stream.out.writeInt(4 + 1 + (version == 3 ? 8 : 0) + 16 + body.length);
        stream.out.writeByte(tag);
        if (version == 3) {
            stream.out.writeLong(request);
        }
        stream.out.writeLong(latest ? -1 : lsn);
        stream.out.writeLong(lsn);
        stream.out.write(body);
    }

    private Answer receive(int tag, long lsn, byte[] body, long request) throws IOException {
        DataInputStream in = stream.expect('d');
        int got = in.readUnsignedByte();
        // 103 is the error: answers to the requests after it skip that number.
        int wanted = RESPONSE + tag < ERROR ? RESPONSE + tag : RESPONSE + tag + 1;
        if (got != wanted && got != ERROR) {
            throw protocol("answer " + got + " to request " + tag);
        }
        if (version == 3) {
            echo("request id", request, in.readLong());
            echo("request LSN", latest ? -1 : lsn, in.readLong());
            echo("not modified since", lsn, in.readLong());
            if (got != ERROR) {
                byte[] echoed = in.readNBytes(body.length);
                if (!java.util.Arrays.equals(echoed, body)) {
                    throw protocol("the answer echoes another request");
                }
            }
        }
        byte[] rest = in.readAllBytes();
        if (got == ERROR) {
            int end = rest.length > 0 && rest[rest.length - 1] == 0 ? rest.length - 1 : rest.length;
            return new Answer.Refused(new String(rest, 0, end, UTF_8));
        }
        if (tag == GET_PAGE && rest.length != Page.SIZE) {
            throw protocol("a page of " + rest.length + " bytes");
        }
        return new Answer.Pages(rest);
    }

    private static void echo(String what, long expected, long found) {
        if (expected != found) {
            throw protocol(what + ": expected " + expected + ", found " + found);
        }
    }

    private static byte[] relationBody(RelTag tag) {
        return body(out -> relation(out, tag));
    }

    private static byte[] pageBody(RelTag tag, int block) {
        return body(out -> {
            relation(out, tag);
            out.writeInt(block);
        });
    }

    private static void relation(DataOutputStream out, RelTag tag) throws IOException {
        out.writeInt(tag.spc());
        out.writeInt(tag.db());
        out.writeInt(tag.rel());
        out.writeByte(tag.fork());
    }

    @FunctionalInterface
    private interface Fields {
        void write(DataOutputStream out) throws IOException;
    }

    private static byte[] body(Fields fields) {
        try {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            fields.write(new DataOutputStream(bytes));
            return bytes.toByteArray();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int int32(byte[] b) {
        return int32(b, 0);
    }

    private static int int32(byte[] b, int at) {
        return (b[at] & 0xFF) << 24
                | (b[at + 1] & 0xFF) << 16
                | (b[at + 2] & 0xFF) << 8
                | b[at + 3] & 0xFF;
    }

    private static IllegalStateException protocol(String what) {
        return new IllegalStateException("page service protocol: " + what);
    }

    @Override
    public void close() {
        stream.close();
        queries.close();
    }

    /** One libpq connection: typed messages with a length. */
    private static final class Wire {
        private final Socket socket;
        private final DataInputStream in;
        private final DataOutputStream out;

        Wire(InetSocketAddress address) throws IOException {
            socket = new Socket();
            try {
                socket.setTcpNoDelay(true);
                socket.setSoTimeout(120_000);
                socket.connect(address, 10_000);
                in = new DataInputStream(new BufferedInputStream(socket.getInputStream(), 1 << 17));
                out =
                        new DataOutputStream(
                                new BufferedOutputStream(socket.getOutputStream(), 1 << 16));
                byte[] parameters = "user\0regress\0application_name\0regress\0\0".getBytes(UTF_8);
                out.writeInt(8 + parameters.length);
                out.writeInt(196608);
                out.write(parameters);
                out.flush();
                untilReady();
            } catch (IOException | RuntimeException e) {
                socket.close();
                throw e;
            }
        }

        private List<List<@Nullable String>> untilReady() throws IOException {
            List<List<@Nullable String>> rows = new ArrayList<>();
            String error = null;
            while (true) {
                int type = in.readUnsignedByte();
                DataInputStream message = message();
                switch (type) {
                    case 'Z' -> {
                        if (error != null) {
                            throw new IOException(error);
                        }
                        return rows;
                    }
                    case 'E' -> error = errorText(message.readAllBytes());
                    case 'D' -> rows.add(row(message));
                    case 'R' -> {
                        if (message.readInt() != 0) {
                            throw new IOException("the page service asks for a password");
                        }
                    }
                    case 'S', 'K', 'T', 'C', 'N' -> {}
                    default -> throw new IOException("unexpected message " + (char) type);
                }
            }
        }

        private DataInputStream message() throws IOException {
            int length = in.readInt() - 4;
            if (length < 0 || length > MAX_MESSAGE) {
                throw new IOException("message of " + length + " bytes");
            }
            byte[] bytes = in.readNBytes(length);
            if (bytes.length != length) {
                throw new IOException("connection closed within a message");
            }
            return new DataInputStream(new java.io.ByteArrayInputStream(bytes));
        }

        private static List<@Nullable String> row(DataInputStream message) throws IOException {
            int columns = message.readUnsignedShort();
            List<@Nullable String> row = new ArrayList<>(columns);
            for (int i = 0; i < columns; i++) {
                int length = message.readInt();
                row.add(length < 0 ? null : new String(message.readNBytes(length), UTF_8));
            }
            return row;
        }

        /** The message field of an ErrorResponse: letter, text, NUL; ... NUL. */
        private static String errorText(byte[] fields) {
            for (String field : new String(fields, UTF_8).split("\0")) {
                if (field.startsWith("M")) {
                    return field.substring(1);
                }
            }
            return "error without a message";
        }

        void query(String text) throws IOException {
            byte[] bytes = text.getBytes(UTF_8);
            out.writeByte('Q');
            out.writeInt(4 + bytes.length + 1);
            out.write(bytes);
            out.writeByte(0);
            out.flush();
        }

        List<List<@Nullable String>> rows(String text) throws IOException {
            query(text);
            return untilReady();
        }

        DataInputStream expect(char type) throws IOException {
            int found = in.readUnsignedByte();
            DataInputStream message = message();
            if (found == 'E') {
                throw new IOException(errorText(message.readAllBytes()));
            }
            if (found != type) {
                throw new IOException("expected message " + type + ", found " + (char) found);
            }
            return message;
        }

        void close() {
            try {
                socket.close();
            } catch (IOException e) {
                // Nothing is lost: all answers we wanted have been read.
                return;
            }
        }
    }
}
