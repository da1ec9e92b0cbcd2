package io.palimpsest.server.auth;

import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;

/** A pair of keys as openssl writes them. */
public final class KeyFiles {
    private final KeyPair pair;

    public KeyFiles() {
        try {
            pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e);
        }
    }

    public Path publicKey(Path file) throws IOException {
        return CertificateFiles.pem(file, "PUBLIC KEY", pair.getPublic().getEncoded());
    }

    public Path privateKey(Path file) throws IOException {
        return CertificateFiles.pem(file, "PRIVATE KEY", pair.getPrivate().getEncoded());
    }
}
