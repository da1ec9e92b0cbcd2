package io.palimpsest.regress.fuzz;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * A page service, and what one needs to come in.
 *
 * @param tls not null: it speaks TLS only, and this believes its certificate
 * @param token not null: it asks for a token, and takes this one
 */
record Door(
        String name, InetSocketAddress address, @Nullable SSLContext tls, @Nullable String token) {
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
        Socket socket = knock();
        if (tls == null) {
            return socket;
        }
        SSLSocket encrypted =
                (SSLSocket)
                        tls.getSocketFactory()
                                .createSocket(
                                        socket, address.getHostString(), address.getPort(), true);
        SSLParameters parameters = encrypted.getSSLParameters();
        parameters.setApplicationProtocols(new String[] {"postgresql"});
        encrypted.setSSLParameters(parameters);
        encrypted.startHandshake();
        return encrypted;
    }
}
