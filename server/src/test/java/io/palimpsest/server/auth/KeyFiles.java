package io.palimpsest.server.auth;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.Base64;

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
        return pem(file, "PUBLIC KEY", pair.getPublic().getEncoded());
    }

    public Path privateKey(Path file) throws IOException {
        return pem(file, "PRIVATE KEY", pair.getPrivate().getEncoded());
    }

    private static Path pem(Path file, String label, byte[] der) throws IOException {
        return Files.writeString(
                file,
                "-----BEGIN %s-----\n%s\n-----END %s-----\n"
                        .formatted(
                                label,
                                Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der),
                                label));
    }
}
