package io.palimpsest.server.cli;

import io.palimpsest.protocol.TarWriter;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * One PUT whose body is made while it is sent, and whose answer is heard although the body goes on:
 * a server that refuses says why at once, and Java's own clients would send gigabytes before they
 * look.
 */
final class Upload {
    /** What the server answered. */
    record Reply(int status, String body) {}

    /** The server has answered before all was sent. */
    private static final class Answered extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    private static final int CONNECT_MILLIS = 10_000;
    private static final int CHUNK = 256 << 10;
    private static final int LONGEST_BODY = 16 << 20;

    /** Since the connection broke; what the server had said before may still be on its way. */
    private static final long LAST_WORDS_SECONDS = 5;

    private final URI url;
    private final @Nullable String token;
    private final @Nullable SSLContext trust;
    private final CompletableFuture<Reply> reply = new CompletableFuture<>();
    private final byte[] chunk = new byte[CHUNK];
    private int filled;

    Upload(URI url, @Nullable String token, @Nullable SSLContext trust) {
        this.url = url;
        this.token = token;
        this.trust = trust;
    }

    /**
     * Sends what {@code body} makes.
     *
     * @param patience for the answer when all was sent
     */
    Reply put(Consumer<TarWriter.Sink> body, Duration patience)
            throws IOException, InterruptedException {
        try (Socket plain = new Socket()) {
            plain.connect(new InetSocketAddress(url.getHost(), port()), CONNECT_MILLIS);
            Socket socket = url.getScheme().equals("https") ? encrypted(plain) : plain;
            Thread _ = Thread.ofVirtual().start(() -> listen(socket));
            OutputStream out = new BufferedOutputStream(socket.getOutputStream(), CHUNK);
            try {
                out.write(head().getBytes(StandardCharsets.ISO_8859_1));
                body.accept((bytes, offset, length) -> send(out, bytes, offset, length));
                flush(out);
                out.write("0\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1));
                out.flush();
            } catch (Answered e) {
                return reply.join();
            } catch (Broken e) {
                return heard(Duration.ofSeconds(LAST_WORDS_SECONDS), e.why);
            } catch (IOException e) {
                return heard(Duration.ofSeconds(LAST_WORDS_SECONDS), e);
            }
            return heard(
                    patience, new IOException("no answer within " + patience.toMinutes() + " min"));
        }
    }

    /** The connection failed within the body, which throws nothing checked. */
    private static final class Broken extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final IOException why;

        Broken(IOException why) {
            super(why);
            this.why = why;
        }
    }

    private int port() {
        return url.getPort() > 0 ? url.getPort() : url.getScheme().equals("https") ? 443 : 80;
    }

    private Socket encrypted(Socket plain) throws IOException {
        SSLSocket tls =
                (SSLSocket)
                        (trust == null ? defaultTrust() : trust)
                                .getSocketFactory()
                                .createSocket(plain, url.getHost(), port(), true);
        SSLParameters parameters = tls.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        tls.setSSLParameters(parameters);
        tls.startHandshake();
        return tls;
    }

    private static SSLContext defaultTrust() {
        try {
            return SSLContext.getDefault();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private String head() {
        return "PUT "
                + url.getRawPath()
                + (url.getRawQuery() == null ? "" : "?" + url.getRawQuery())
                + " HTTP/1.1\r\nHost: "
                + url.getHost()
                + ":"
                + port()
                + "\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
                + (token == null ? "" : "Authorization: Bearer " + token + "\r\n")
                + "\r\n";
    }

    private void send(OutputStream out, byte[] bytes, int offset, int length) {
        int at = offset;
        int left = length;
        try {
            while (left > 0) {
                int n = Math.min(left, CHUNK - filled);
                System.arraycopy(bytes, at, chunk, filled, n);
                filled += n;
                at += n;
                left -= n;
                if (filled == CHUNK) {
                    flush(out);
                }
            }
        } catch (IOException e) {
            throw new Broken(e);
        }
    }

    private void flush(OutputStream out) throws IOException {
        if (reply.isDone() && !reply.isCompletedExceptionally()) {
            throw new Answered();
        }
        if (filled > 0) {
            out.write((Integer.toHexString(filled) + "\r\n").getBytes(StandardCharsets.ISO_8859_1));
            out.write(chunk, 0, filled);
            out.write("\r\n".getBytes(StandardCharsets.ISO_8859_1));
            filled = 0;
        }
    }

    private Reply heard(Duration patience, IOException otherwise)
            throws IOException, InterruptedException {
        try {
            return reply.get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw otherwise;
        } catch (ExecutionException e) {
            throw new IOException(
                    "the connection ended without an answer: " + e.getMessage(), otherwise);
        }
    }

    /** Reads the one answer: a status line, headers, a body of a length that is said. */
    private void listen(Socket socket) {
        try {
            InputStream in = new BufferedInputStream(socket.getInputStream());
            String status = line(in);
            int length = 0;
            for (String line = line(in); !line.isEmpty(); line = line(in)) {
                String header = line.toLowerCase(Locale.ROOT);
                if (header.startsWith("content-length:")) {
                    length = Integer.parseInt(header.substring(15).strip());
                }
            }
            String[] words = status.split(" ");
            if (!words[0].startsWith("HTTP/1.") || words.length < 2 || length > LONGEST_BODY) {
                throw new IOException("'" + status + "' is no answer of a page server");
            }
            reply.complete(
                    new Reply(
                            Integer.parseInt(words[1]),
                            new String(in.readNBytes(length), StandardCharsets.UTF_8)));
        } catch (IOException | NumberFormatException e) {
            reply.completeExceptionally(e);
        }
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c; (c = in.read()) != '\n'; ) {
            if (c < 0 || line.length() > 8192) {
                throw new IOException("the server has closed the connection");
            }
            line.append((char) c);
        }
        return line.toString().stripTrailing();
    }
}
