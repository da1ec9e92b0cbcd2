package io.palimpsest.server.connect;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/**
 * How who runs a command shows that he may, and whom he believes to be the server. All of it comes
 * from the environment, since arguments are seen by everybody on the machine.
 *
 * @param token what a server is shown that asks for one; null: there is none
 * @param trust whose certificates are believed; not null: the page service is spoken to by TLS only
 */
public record Credentials(@Nullable String token, @Nullable SSLContext trust) {
    private static final String TOKEN = "PALIMPSEST_TOKEN";
    private static final String TOKEN_FILE = "PALIMPSEST_TOKEN_FILE";
    private static final String CA_FILE = "PALIMPSEST_CA_FILE";

    /** For a server that asks for nothing. */
    public static final Credentials NONE = new Credentials(null, null);

    /** What the variables are for, for the help of commands. */
    public static final String HELP =
            "If the server asks for a token, it is taken from the environment: "
                    + TOKEN
                    + ", or the file that "
                    + TOKEN_FILE
                    + " names. If it speaks TLS, "
                    + CA_FILE
                    + " names the certificates (PEM) that are believed.";

    /**
     * Reads what the environment names.
     *
     * @throws PageserverException BAD_REQUEST naming the variable and the file that cannot be used
     */
    public static Credentials of(Map<String, String> environment) {
        String token = environment.get(TOKEN);
        String tokenFile = environment.get(TOKEN_FILE);
        String caFile = environment.get(CA_FILE);
        try {
            if (token == null && tokenFile != null) {
                token = Files.readString(Path.of(tokenFile)).strip();
            }
        } catch (IOException e) {
            throw unusable(TOKEN_FILE, tokenFile, e);
        }
        try {
            return new Credentials(token, caFile == null ? null : trusting(Path.of(caFile)));
        } catch (IOException | GeneralSecurityException e) {
            throw unusable(CA_FILE, caFile, e);
        }
    }

    /**
     * The stream to a page service: by TLS, begun at once, if there is somebody to believe.
     *
     * @param server who has to prove to be it
     */
    public Socket encrypted(Socket socket, InetSocketAddress server) throws IOException {
        if (trust == null) {
            return socket;
        }
        SSLSocket tls =
                (SSLSocket)
                        trust.getSocketFactory()
                                .createSocket(
                                        socket, server.getHostString(), server.getPort(), true);
        SSLParameters parameters = tls.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        parameters.setApplicationProtocols(new String[] {"postgresql"});
        tls.setSSLParameters(parameters);
        tls.startHandshake();
        return tls;
    }

    /** The token, for a server that asks for it. */
    String shown() {
        if (token == null) {
            throw PageserverException.of(
                    ErrorCode.UNAUTHORIZED,
                    "the page service asks for a token: give one by %s or %s",
                    TOKEN,
                    TOKEN_FILE);
        }
        return token;
    }

    private static SSLContext trusting(Path file) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = Files.newInputStream(file)) {
            int n = 0;
            for (Certificate one :
                    CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                store.setCertificateEntry("ca" + n++, one);
            }
            if (n == 0) {
                throw new IOException("there is no certificate in it");
            }
        }
        TrustManagerFactory trust =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    private static PageserverException unusable(
            String variable, @Nullable String file, Exception e) {
        return new PageserverException(
                ErrorCode.BAD_REQUEST, variable + ": " + file + " cannot be used: " + e, e);
    }
}
