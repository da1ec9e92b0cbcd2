package io.palimpsest.regress.fuzz;

import io.palimpsest.server.connect.Credentials;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;

/**
 * A page service, and what one needs to come in.
 *
 * @param credentials whose certificate is believed, if it speaks TLS; and a token that it takes, if
 *     it asks for one
 */
record Door(String name, InetSocketAddress address, Credentials credentials) {
    private static final int PATIENCE_MILLIS = 20_000;

    /** Bytes on the wire. */
    Socket knock() throws IOException {
        Socket socket = new Socket();
        socket.connect(address, PATIENCE_MILLIS);
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(PATIENCE_MILLIS);
        return socket;
    }

    /** Within TLS if the door has it. */
    Socket enter() throws IOException {
        return credentials.encrypted(knock(), address);
    }

    boolean encrypted() {
        return credentials.trust() != null;
    }
}
