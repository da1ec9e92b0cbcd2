package io.palimpsest.server.auth;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * The one kind of key there is (RFC 8032), as PEM files: {@code BEGIN PUBLIC KEY} is a
 * SubjectPublicKeyInfo, {@code BEGIN PRIVATE KEY} a PKCS #8, both as RFC 8410 says.
 */
final class Ed25519 {
    private static final String ALGORITHM = "Ed25519";

    private Ed25519() {}

    /**
     * The public keys of a file, or of all files of a directory whose names end in {@code .pem}, by
     * name.
     *
     * @throws PageserverException BAD_REQUEST naming the file that is none, or that there are none
     */
    static List<PublicKey> publicKeys(Path path) {
        List<PublicKey> keys = new ArrayList<>();
        for (Path file : files(path)) {
            keys.add(publicKey(file));
        }
        if (keys.isEmpty()) {
            throw PageserverException.badRequest("%s: there is no file *.pem in it", path);
        }
        return List.copyOf(keys);
    }

    static PrivateKey privateKey(Path file) {
        try {
            return KeyFactory.getInstance(ALGORITHM)
                    .generatePrivate(new PKCS8EncodedKeySpec(pem(file, "PRIVATE KEY")));
        } catch (GeneralSecurityException e) {
            throw none(file, "PRIVATE KEY");
        }
    }

    static byte[] sign(PrivateKey key, byte[] message) {
        try {
            Signature signature = Signature.getInstance(ALGORITHM);
            signature.initSign(key);
            signature.update(message);
            return signature.sign();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("a key that cannot sign", e);
        }
    }

    static boolean verifies(PublicKey key, byte[] message, byte[] signature) {
        try {
            Signature check = Signature.getInstance(ALGORITHM);
            check.initVerify(key);
            check.update(message);
            return check.verify(signature);
        } catch (GeneralSecurityException e) {
            // Of the wrong length, or no point of the curve.
            return false;
        }
    }

    private static PublicKey publicKey(Path file) {
        try {
            return KeyFactory.getInstance(ALGORITHM)
                    .generatePublic(new X509EncodedKeySpec(pem(file, "PUBLIC KEY")));
        } catch (GeneralSecurityException e) {
            throw none(file, "PUBLIC KEY");
        }
    }

    private static List<Path> files(Path path) {
        if (!Files.isDirectory(path)) {
            return List.of(path);
        }
        try (Stream<Path> all = Files.list(path)) {
            return all.filter(file -> file.toString().endsWith(".pem")).sorted().toList();
        } catch (IOException e) {
            throw unreadable(path, e);
        }
    }

    private static byte[] pem(Path file, String label) {
        try {
            byte[] der = Pem.first(file, label);
            if (der != null) {
                return der;
            }
        } catch (IOException e) {
            throw unreadable(file, e);
        }
        throw none(file, label);
    }

    /** What is in the file is not repeated, nor why it is none: it may be a private key. */
    private static PageserverException none(Path file, String label) {
        return PageserverException.badRequest(
                "%s: no Ed25519 key, expected '-----BEGIN %s-----' as of openssl genpkey -algorithm ed25519%s",
                file, label, label.startsWith("PUBLIC") ? ", then openssl pkey -pubout" : "");
    }

    private static PageserverException unreadable(Path path, IOException e) {
        return new PageserverException(
                ErrorCode.BAD_REQUEST, path + ": the key cannot be read: " + e, e);
    }
}
