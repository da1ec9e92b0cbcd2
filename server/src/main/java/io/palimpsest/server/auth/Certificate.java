package io.palimpsest.server.auth;

import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolConfig.Protocol;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectedListenerFailureBehavior;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectorFailureBehavior;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslProvider;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Event;
import io.palimpsest.server.runtime.LogTracer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import javax.net.ssl.SSLException;

/**
 * The server's certificate and its private key, as PEM files. They are read again when they have
 * changed, as certificates are renewed while a server runs; if the new ones cannot be used, those
 * of before stay.
 */
public final class Certificate {
    /** PostgreSQL's own, which its clients insist on where TLS begins without being asked for. */
    private static final String ALPN = "postgresql";

    private static final long HANDSHAKE_SECONDS = 10;
    private static final LogTracer TRACER = new LogTracer(Certificate.class);

    private final Path chain;
    private final Path key;
    private final long reloadNanos;
    private final LongSupplier clock;
    private final ReentrantLock lock = new ReentrantLock();
    private volatile SslContext context;
    private volatile long looked;
    private List<FileTime> times;

    /**
     * @param chain the certificate, and those that it is signed by
     * @param key its private key, PKCS #8
     * @param reloadNanos how often they are looked at, at most
     * @throws PageserverException BAD_REQUEST if they cannot be used
     */
    public Certificate(Path chain, Path key, long reloadNanos) {
        this(chain, key, reloadNanos, System::nanoTime);
    }

    /** The same by another clock. */
    public Certificate(Path chain, Path key, long reloadNanos, LongSupplier clock) {
        this.chain = chain;
        this.key = key;
        this.reloadNanos = reloadNanos;
        this.clock = clock;
        this.looked = clock.getAsLong();
        this.times = times();
        this.context = read();
    }

    /** What a new connection is encrypted by. */
    public SslHandler handler(ByteBufAllocator allocator) {
        if (clock.getAsLong() - looked >= reloadNanos && lock.tryLock()) {
            try {
                look();
            } finally {
                lock.unlock();
            }
        }
        SslHandler handler = context.newHandler(allocator);
        handler.setHandshakeTimeout(HANDSHAKE_SECONDS, TimeUnit.SECONDS);
        return handler;
    }

    private void look() {
        looked = clock.getAsLong();
        try {
            List<FileTime> now = times();
            if (!now.equals(times)) {
                context = read();
                times = now;
                TRACER.event(Event.CERTIFICATE_READ_AGAIN, chain.toString());
            }
        } catch (PageserverException e) {
            TRACER.event(Event.CERTIFICATE_UNUSABLE, "the one of before stays: " + e.getMessage());
        }
    }

    private List<FileTime> times() {
        try {
            return List.of(Files.getLastModifiedTime(chain), Files.getLastModifiedTime(key));
        } catch (IOException e) {
            throw unusable(e);
        }
    }

    private SslContext read() {
        try (InputStream in = Files.newInputStream(chain)) {
            X509Certificate[] certificates =
                    CertificateFactory.getInstance("X.509").generateCertificates(in).stream()
                            .map(X509Certificate.class::cast)
                            .toArray(X509Certificate[]::new);
            byte[] der = Pem.first(key, "PRIVATE KEY");
            if (certificates.length == 0 || der == null) {
                throw new GeneralSecurityException(
                        certificates.length == 0 ? "there is no certificate" : "there is no key");
            }
            PublicKey named = certificates[0].getPublicKey();
            PrivateKey own =
                    KeyFactory.getInstance(named.getAlgorithm())
                            .generatePrivate(new PKCS8EncodedKeySpec(der));
            if (!belong(named, own)) {
                throw new GeneralSecurityException("the key is not the certificate's");
            }
            return context(certificates, own);
        } catch (IOException | GeneralSecurityException e) {
            throw unusable(e);
        }
    }

    /**
     * What the one signs, does the other verify? Of files that are renewed, one is there first; TLS
     * would only fail with every client.
     */
    private static boolean belong(PublicKey named, PrivateKey own) throws GeneralSecurityException {
        String algorithm =
                switch (named.getAlgorithm()) {
                    case "RSA" -> "SHA256withRSA";
                    case "EC" -> "SHA256withECDSA";
                    default -> named.getAlgorithm();
                };
        Signature signature = Signature.getInstance(algorithm);
        signature.initSign(own);
        signature.update(named.getEncoded());
        byte[] signed = signature.sign();
        signature.initVerify(named);
        signature.update(named.getEncoded());
        return signature.verify(signed);
    }

    private static SslContext context(X509Certificate[] certificates, PrivateKey own)
            throws SSLException {
        return SslContextBuilder.forServer(own, certificates)
                .sslProvider(SslProvider.JDK)
                .protocols("TLSv1.3", "TLSv1.2")
                .applicationProtocolConfig(
                        new ApplicationProtocolConfig(
                                Protocol.ALPN,
                                SelectorFailureBehavior.NO_ADVERTISE,
                                SelectedListenerFailureBehavior.ACCEPT,
                                ALPN))
                .build();
    }

    private PageserverException unusable(Exception e) {
        return new PageserverException(
                ErrorCode.BAD_REQUEST,
                "the certificate "
                        + chain
                        + " with the key "
                        + key
                        + " cannot be used: expected PEM files, the key as PKCS #8 without a password"
                        + " (openssl pkcs8 -topk8 -nocrypt): "
                        + e,
                e);
    }
}
