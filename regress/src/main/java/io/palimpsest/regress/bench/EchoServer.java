package io.palimpsest.regress.bench;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/**
 * The peer of the page service: a blocking server that answers each message of a request's size
 * with one of an answer's size and knows nothing else. A thread a connection; what was read at once
 * is answered at once, up to 32 answers in one write.
 */
final class EchoServer {
    private static final int BATCH = 32;

    private EchoServer() {}

    /** Prints the port it listens on and serves until it is killed. */
    public static void main(String[] args) throws IOException {
        try (ServerSocketChannel listener = ServerSocketChannel.open()) {
            listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            System.out.println(((InetSocketAddress) listener.getLocalAddress()).getPort());
            while (true) {
                SocketChannel client = listener.accept();
                client.setOption(StandardSocketOptions.TCP_NODELAY, true);
                Thread.ofPlatform().daemon().start(() -> serve(client));
            }
        }
    }

    private static void serve(SocketChannel client) {
        ByteBuffer in = ByteBuffer.allocateDirect(64 << 10);
        ByteBuffer out = ByteBuffer.allocateDirect(BATCH * PageClient.ANSWER_BYTES);
        int owed = 0;
        try (client) {
            while (client.read(in) >= 0) {
                owed += in.position();
                in.clear();
                while (owed >= PageClient.REQUEST_BYTES) {
                    int n = Math.min(BATCH, owed / PageClient.REQUEST_BYTES);
                    out.clear().limit(n * PageClient.ANSWER_BYTES);
                    for (int i = 0; i < n; i++) {
                        PageClient.frame(out, i * PageClient.ANSWER_BYTES);
                    }
                    while (out.hasRemaining()) {
                        client.write(out);
                    }
                    owed -= n * PageClient.REQUEST_BYTES;
                }
            }
        } catch (IOException e) {
            // The client is done.
            return;
        }
    }
}
