package io.palimpsest.server.connect;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Asks a page server for a base backup: one connection, one command, one archive. */
public final class BackupClient {
    /** Receives the archive in pieces. */
    public interface Sink {
        void bytes(byte[] bytes, int offset, int length);
    }

    private static final int CONNECT_MILLIS = 10_000;

    /** A page server that has to fetch layers may be silent for a while. */
    private static final int SILENCE_MILLIS = 300_000;

    private static final int MOST = 4 << 20;

    private BackupClient() {}

    /**
     * The data directory of a branch, for an unmodified PostgreSQL.
     *
     * @param lsn as {@code X/X}, or {@code latest}
     * @throws PageserverException what the server refuses, by its message; IO if the connection
     *     breaks
     */
    public static void stock(
            InetSocketAddress server, TenantId tenant, TimelineId timeline, String lsn, Sink sink) {
        String command =
                String.format(Locale.ROOT, "fullbackup %s %s %s --stock", tenant, timeline, lsn);
        try (Socket socket = new Socket()) {
            socket.connect(server, CONNECT_MILLIS);
            socket.setSoTimeout(SILENCE_MILLIS);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            startUp(out);
            Messages messages = new Messages(in);
            messages.until('Z', sink);
            query(out, command);
            if (!messages.until('Z', sink)) {
                throw new PageserverException(
                        ErrorCode.IO, server + " sent no base backup: is it a page server?");
            }
            out.writeByte('X');
            out.writeInt(4);
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.IO, "page server " + server + ": " + e.getMessage(), e);
        }
    }

    private static void startUp(DataOutputStream out) throws IOException {
        byte[] parameters =
                "user\0palimpsest\0application_name\0palimpsest connect\0\0"
                        .getBytes(StandardCharsets.UTF_8);
        out.writeInt(8 + parameters.length);
        out.writeInt(196_608);
        out.write(parameters);
        out.flush();
    }

    private static void query(DataOutputStream out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeByte('Q');
        out.writeInt(4 + bytes.length + 1);
        out.write(bytes);
        out.writeByte(0);
        out.flush();
    }

    private static final class Messages {
        private final DataInputStream in;
        private byte[] body = new byte[64 << 10];

        Messages(DataInputStream in) {
            this.in = in;
        }

        /** Was there a copy, and did it end? An error of the server's is thrown. */
        boolean until(char last, Sink sink) throws IOException {
            boolean copied = false;
            while (true) {
                int type = in.readUnsignedByte();
                int length = in.readInt() - 4;
                if (length < 0 || length > MOST) {
                    throw new IOException(
                            "found message '%c' of %d bytes, expected at most %d"
                                    .formatted((char) type, length, MOST));
                }
                if (length > body.length) {
                    body = new byte[length];
                }
                in.readFully(body, 0, length);
                switch (type) {
                    case 'd' -> sink.bytes(body, 0, length);
                    case 'c' -> copied = true;
                    case 'E' -> throw refused(length);
                    default -> {
                        if (type == last) {
                            return copied;
                        }
                    }
                }
            }
        }

        /** The message field of an ErrorResponse. */
        private PageserverException refused(int length) {
            int at = 0;
            while (at < length && body[at] != 0) {
                ByteArrayOutputStream text = new ByteArrayOutputStream();
                int field = body[at++];
                while (at < length && body[at] != 0) {
                    text.write(body[at++]);
                }
                at++;
                if (field == 'M') {
                    return new PageserverException(
                            ErrorCode.IO,
                            "the page server refuses: " + text.toString(StandardCharsets.UTF_8));
                }
            }
            return new PageserverException(ErrorCode.IO, "the page server refuses, without a word");
        }
    }
}
