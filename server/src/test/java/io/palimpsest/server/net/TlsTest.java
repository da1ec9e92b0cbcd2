package io.palimpsest.server.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.fixtures.CertificateFiles;
import io.palimpsest.port.Tasks;
import io.palimpsest.server.auth.Certificate;
import io.palimpsest.server.config.ServerConfig;
import io.palimpsest.server.connect.Credentials;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.service.Authentication;
import io.palimpsest.service.PageService;
import io.palimpsest.service.PageSource;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.cert.X509Certificate;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A page service that is encrypted, as libpq speaks to it. */
@Timeout(60)
class TlsTest {
    private static final int SSL_REQUEST = 80877103;
    private static final int GSSENC_REQUEST = 80877104;
    private static final byte[] QUERY = "set x\0".getBytes(StandardCharsets.US_ASCII);

    @TempDir private Path directory;
    private CertificateFiles files;
    private String first;
    private final AtomicLong clock = new AtomicLong();
    private final Tasks tasks = new SystemTasks(2, new LogTracer("test"), (task, failure) -> {});
    private PageServer server;

    @BeforeEach
    void start() throws IOException {
        files = CertificateFiles.make(directory, "first");
        first = Files.readString(files.chain());
        PageSource.Directory nothing =
                (tenant, timeline) -> {
                    throw PageserverException.of(ErrorCode.NOT_FOUND, "nothing is here");
                };
        server =
                PageServer.start(
                        new ServerConfig.Address("127.0.0.1", 0),
                        new PageService(nothing, Authentication.TRUST),
                        new Certificate(files.chain(), files.key(), 1000, clock::get),
                        tasks,
                        PageServer.Settings.DEFAULT);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private Socket connect() throws IOException {
        Socket socket = new Socket("127.0.0.1", server.address().getPort());
        socket.setSoTimeout(20_000);
        return socket;
    }

    private static SSLSocket encrypted(Socket socket, Path believed) throws IOException {
        return (SSLSocket)
                Credentials.of(Map.of("PALIMPSEST_CA_FILE", believed.toString()))
                        .encrypted(socket, new InetSocketAddress("127.0.0.1", socket.getPort()));
    }

    /** As one piece: what belongs together must not arrive one after the other. */
    private static void send(Socket socket, int... words) throws IOException {
        ByteBuffer all = ByteBuffer.allocate(4 * words.length);
        for (int word : words) {
            all.putInt(word);
        }
        socket.getOutputStream().write(all.array());
    }

    /** Starts up, asks and leaves; the types of all answers. */
    private static String talk(Socket socket) throws IOException {
        DataOutputStream out = new DataOutputStream(socket.getOutputStream());
        out.writeInt(9);
        out.writeInt(196608);
        out.writeByte(0);
        out.writeByte('Q');
        out.writeInt(4 + QUERY.length);
        out.write(QUERY);
        out.writeByte('X');
        out.writeInt(4);
        out.flush();
        return types(socket.getInputStream().readAllBytes());
    }

    private static String types(byte[] answers) {
        StringBuilder types = new StringBuilder();
        for (int at = 0; at < answers.length; at += 1 + Bytes.i32BE(answers, at + 1)) {
            types.append((char) answers[at]);
        }
        return types.toString();
    }

    private String refusal(Socket socket) throws IOException {
        byte[] answer = socket.getInputStream().readAllBytes();
        assertEquals("E", types(answer));
        return new String(answer, StandardCharsets.UTF_8);
    }

    @Test
    void tlsAtOnce() throws IOException {
        try (SSLSocket tls = encrypted(connect(), files.chain())) {
            assertEquals("postgresql", tls.getApplicationProtocol());
            assertEquals("RSSSZCZ", talk(tls));
        }
    }

    @Test
    void tlsWhenAskedFor() throws IOException {
        try (Socket socket = connect()) {
            send(socket, 8, GSSENC_REQUEST);
            assertEquals('N', socket.getInputStream().read());
            send(socket, 8, SSL_REQUEST);
            assertEquals('S', socket.getInputStream().read());
            try (SSLSocket tls = encrypted(socket, files.chain())) {
                assertEquals("RSSSZCZ", talk(tls));
            }
        }
    }

    @Test
    void withoutItNobodyComesIn() throws IOException {
        try (Socket socket = connect()) {
            send(socket, 9, 196608);
            socket.getOutputStream().write(0);
            assertTrue(refusal(socket).contains("must connect with TLS"));
        }
        try (Socket socket = connect()) {
            send(socket, 8, SSL_REQUEST);
            assertEquals('S', socket.getInputStream().read());
            send(socket, 9, 196608);
            assertTrue(refusal(socket).contains("must connect with TLS"));
        }
        try (Socket socket = connect()) {
            socket.getOutputStream()
                    .write("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            assertTrue(refusal(socket).contains("must connect with TLS"));
        }
    }

    /** Somebody in between may put in what then looks as if it had come encrypted. */
    @Test
    void whatComesTogetherWithTheRequestEndsTheConnection() throws IOException {
        try (Socket socket = connect()) {
            send(socket, 8, SSL_REQUEST, 9, 196608);
            refusal(socket);
        }
    }

    @Test
    void aHandshakeThatIsNoneEndsTheConnection() throws IOException {
        for (byte[] half :
                new byte[][] {{0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5}, {0x16, 9, 9, 9, 9, 9}}) {
            try (Socket socket = connect()) {
                socket.getOutputStream().write(half);
                byte[] answer = socket.getInputStream().readAllBytes();
                assertTrue(answer.length == 0 || answer[0] == 0x15, "a TLS alert or nothing");
            }
        }
        // And one that is only begun holds nobody up.
        try (Socket half = connect()) {
            half.getOutputStream().write(0x16);
            tlsAtOnce();
        }
    }

    @Test
    void aRenewedCertificateIsTakenUp() throws IOException {
        CertificateFiles second = CertificateFiles.make(directory, "second");
        Files.move(second.chain(), files.chain(), StandardCopyOption.REPLACE_EXISTING);
        assertEquals("CN=first", subject());
        clock.addAndGet(1000);
        // Half of it only: those of before stay.
        assertEquals("CN=first", subject());
        Files.move(second.key(), files.key(), StandardCopyOption.REPLACE_EXISTING);
        clock.addAndGet(1000);
        assertEquals("CN=second", subject());
    }

    private String subject() throws IOException {
        Path believed =
                Files.writeString(
                        directory.resolve("believed.crt"), first + Files.readString(files.chain()));
        try (SSLSocket tls = encrypted(connect(), believed)) {
            return ((X509Certificate) tls.getSession().getPeerCertificates()[0])
                    .getSubjectX500Principal()
                    .getName();
        }
    }

    @Test
    void whoIsNotBelievedIsNotSpokenTo() throws IOException {
        CertificateFiles other = CertificateFiles.make(directory, "other");
        try (Socket socket = connect()) {
            assertThrows(SSLException.class, () -> encrypted(socket, other.chain()));
        }
    }

    @Test
    void filesThatAreNoneAreRefused() throws IOException {
        Path none = Files.writeString(directory.resolve("none"), "nothing");
        for (CertificateFiles wrong :
                new CertificateFiles[] {
                    new CertificateFiles(none, files.key()),
                    new CertificateFiles(files.chain(), none),
                    new CertificateFiles(files.chain(), directory.resolve("nowhere"))
                }) {
            PageserverException e =
                    assertThrows(
                            PageserverException.class,
                            () -> new Certificate(wrong.chain(), wrong.key(), 1));
            assertEquals(ErrorCode.BAD_REQUEST, e.code());
            assertTrue(String.valueOf(e.getMessage()).contains(wrong.key().toString()));
        }
    }
}
