package io.palimpsest.server.connect;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.Locale;
import java.util.Map;

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
            InetSocketAddress server,
            TenantId tenant,
            TimelineId timeline,
            String lsn,
            Credentials credentials,
            Sink sink) {
        String command =
                String.format(Locale.ROOT, "fullbackup %s %s %s --stock", tenant, timeline, lsn);
        try (Socket socket = new Socket()) {
            socket.connect(server, CONNECT_MILLIS);
            socket.setSoTimeout(SILENCE_MILLIS);
            Socket stream = credentials.encrypted(socket, server);
            Messages messages =
                    new Messages(stream.getInputStream(), stream.getOutputStream(), MOST);
            messages.startUp(
                    Map.of("user", "palimpsest", "application_name", "palimpsest connect"));
            copy(messages, credentials, sink);
            messages.query(command);
            if (!copy(messages, credentials, sink)) {
                throw new PageserverException(
                        ErrorCode.IO, server + " sent no base backup: is it a page server?");
            }
            messages.terminate();
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.IO, "page server " + server + ": " + e.getMessage(), e);
        }
    }

    /**
     * Up to ReadyForQuery: was there a copy, and did it end? An error of the server's is thrown.
     */
    private static boolean copy(Messages messages, Credentials credentials, Sink sink)
            throws IOException {
        boolean copied = false;
        for (int type = messages.next(); type != 'Z'; type = messages.next()) {
            switch (type) {
                case 'R' -> {
                    if (messages.asksForPassword()) {
                        messages.password(credentials.shown());
                    }
                }
                case 'd' -> sink.bytes(messages.body(), 0, messages.length());
                case 'c' -> copied = true;
                case 'E' ->
                        throw new PageserverException(
                                ErrorCode.IO,
                                "the page server refuses: "
                                        + messages.error()
                                                .getOrDefault('M', "it does not say why"));
                default -> {}
            }
        }
        return copied;
    }
}
