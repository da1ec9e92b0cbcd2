package io.palimpsest.server.connect;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * SQL over a local socket that lets us in without a password: simple queries, answers as text. For
 * a handful of small questions.
 */
final class SqlConnection implements AutoCloseable {
    private static final int MOST = 64 << 20;

    private final SocketChannel channel;
    private final DataInputStream in;
    private final DataOutputStream out;

    /**
     * @param socket the file, {@code .s.PGSQL.<port>}
     * @throws PageserverException what the server refuses; IO if it cannot be reached
     */
    SqlConnection(Path socket, String user, String database) {
        try {
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
            in = new DataInputStream(Channels.newInputStream(channel));
            out = new DataOutputStream(Channels.newOutputStream(channel));
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            for (String text :
                    List.of(
                            "user",
                            user,
                            "database",
                            database,
                            "application_name",
                            "palimpsest",
                            "client_encoding",
                            "UTF8")) {
                body.writeBytes(text.getBytes(StandardCharsets.UTF_8));
                body.write(0);
            }
            body.write(0);
            out.writeInt(8 + body.size());
            out.writeInt(196_608);
            out.write(body.toByteArray());
            out.flush();
            untilReady();
        } catch (IOException e) {
            throw broken(e);
        }
    }

    /** Rows of what the query answers; null is NULL. */
    List<List<@Nullable String>> query(String sql) {
        try {
            byte[] text = sql.getBytes(StandardCharsets.UTF_8);
            out.writeByte('Q');
            out.writeInt(4 + text.length + 1);
            out.write(text);
            out.writeByte(0);
            out.flush();
            return untilReady();
        } catch (IOException e) {
            throw broken(e);
        }
    }

    private static PageserverException broken(IOException e) {
        return new PageserverException(
                ErrorCode.IO, "the started PostgreSQL: " + e.getMessage(), e);
    }

    private List<List<@Nullable String>> untilReady() throws IOException {
        List<List<@Nullable String>> rows = new ArrayList<>();
        PageserverException failed = null;
        while (true) {
            int type = in.readUnsignedByte();
            int length = in.readInt() - 4;
            if (length < 0 || length > MOST) {
                throw new IOException("a message of " + length + " bytes");
            }
            byte[] body = in.readNBytes(length);
            DataInputStream fields = new DataInputStream(new ByteArrayInputStream(body));
            switch (type) {
                case 'D' -> rows.add(row(fields));
                case 'E' -> {
                    String error = errorText(body);
                    failed = new PageserverException(ErrorCode.IO, error);
                    if (error.startsWith("FATAL")) {
                        throw failed;
                    }
                }
                case 'R' -> {
                    int how = fields.readInt();
                    if (how != 0) {
                        throw new IOException("it wants authentication " + how);
                    }
                }
                case 'Z' -> {
                    if (failed != null) {
                        throw failed;
                    }
                    return rows;
                }
                default -> {}
            }
        }
    }

    private static List<@Nullable String> row(DataInputStream fields) throws IOException {
        int columns = fields.readUnsignedShort();
        List<@Nullable String> row = new ArrayList<>(columns);
        for (int i = 0; i < columns; i++) {
            int length = fields.readInt();
            row.add(
                    length < 0
                            ? null
                            : new String(fields.readNBytes(length), StandardCharsets.UTF_8));
        }
        return row;
    }

    /** Severity and message. */
    private static String errorText(byte[] body) {
        String severity = "";
        String message = "";
        for (String field : new String(body, StandardCharsets.UTF_8).split("\0")) {
            if (field.startsWith("V")) {
                severity = field.substring(1);
            } else if (field.startsWith("M")) {
                message = field.substring(1);
            }
        }
        return severity + ": " + message;
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // Nothing was promised about a connection that is given up.
            return;
        }
    }
}
