package io.palimpsest.server.connect;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * SQL over a local socket that lets us in without a password: simple queries, answers as text. For
 * a handful of small questions.
 */
final class SqlConnection implements AutoCloseable {
    private static final int MOST = 64 << 20;

    private final SocketChannel channel;
    private final Messages messages;

    /**
     * @param socket the file, {@code .s.PGSQL.<port>}
     * @throws PageserverException what the server refuses; IO if it cannot be reached
     */
    SqlConnection(Path socket, String user, String database) {
        try {
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
            messages =
                    new Messages(
                            Channels.newInputStream(channel),
                            Channels.newOutputStream(channel),
                            MOST);
            messages.startUp(
                    Map.of(
                            "user",
                            user,
                            "database",
                            database,
                            "application_name",
                            "palimpsest",
                            "client_encoding",
                            "UTF8"));
            untilReady();
        } catch (IOException e) {
            throw broken(e);
        }
    }

    /** Rows of what the query answers; null is NULL. */
    List<List<@Nullable String>> query(String sql) {
        try {
            messages.query(sql);
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
            int type = messages.next();
            DataInputStream fields =
                    new DataInputStream(
                            new ByteArrayInputStream(messages.body(), 0, messages.length()));
            switch (type) {
                case 'D' -> rows.add(row(fields));
                case 'E' -> {
                    String error = errorText();
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
    private String errorText() {
        Map<Character, String> error = messages.error();
        return error.getOrDefault('V', "") + ": " + error.getOrDefault('M', "");
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
