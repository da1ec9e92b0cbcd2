package io.palimpsest.server.runtime;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Net;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;

/** TCP by blocking sockets, which on a virtual thread block no other. */
public final class SocketNet implements Net {
    /** Timeouts of sockets are whole milliseconds, and 0 would be for ever. */
    private static int millis(long nanos) {
        return Math.clamp((nanos + 999_999) / 1_000_000, 1, Integer.MAX_VALUE);
    }

    @Override
    public Connection connect(String host, int port, long timeoutNanos) {
        String address = host + ":" + port;
        Socket socket = new Socket();
        try {
            InetSocketAddress target = new InetSocketAddress(host, port);
            if (target.isUnresolved()) {
                throw new IOException("unknown host");
            }
            socket.connect(target, millis(timeoutNanos));
            return over(socket, address);
        } catch (IOException e) {
            closeQuietly(socket);
            throw failed("connect to", address, e);
        }
    }

    /** A connection over a socket that is connected, which it owns from now on. */
    public static Connection over(Socket socket, String address) throws IOException {
        socket.setTcpNoDelay(true);
        socket.setKeepAlive(true);
        return new SocketConnection(
                socket, address, socket.getInputStream(), socket.getOutputStream());
    }

    private static PageserverException failed(String what, String address, IOException e) {
        String why = e.getMessage();
        return new PageserverException(
                ErrorCode.IO,
                what + " " + address + ": " + (why == null ? e.getClass().getSimpleName() : why),
                e);
    }

    private static void closeQuietly(Socket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            // Nothing was promised about a socket that is given up.
        }
    }

    private record SocketConnection(Socket socket, String address, InputStream in, OutputStream out)
            implements Connection {
        @Override
        public int read(byte[] into, int offset, int length, long timeoutNanos) {
            Check.that(length > 0, "read of %d bytes", length);
            try {
                socket.setSoTimeout(millis(timeoutNanos));
                return in.read(into, offset, length);
            } catch (SocketTimeoutException e) {
                return 0;
            } catch (IOException e) {
                throw failed("read from", address, e);
            }
        }

        @Override
        public void write(byte[] bytes, int offset, int length) {
            try {
                out.write(bytes, offset, length);
            } catch (IOException e) {
                throw failed("write to", address, e);
            }
        }

        @Override
        public void close() {
            closeQuietly(socket);
        }
    }
}
