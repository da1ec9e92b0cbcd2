package io.palimpsest.protocol;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.text.Normalizer;
import java.util.Base64;
import java.util.List;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding, for one
 * authentication. PostgreSQL ignores the user name in it and takes the one of the start-up message.
 */
final class ScramClient {
    static final String MECHANISM = "SCRAM-SHA-256";

    /** PostgreSQL's default is 4096; above this bound a server would only burn our time. */
    static final int MAX_ITERATIONS = 10_000_000;

    private static final String NO_CHANNEL_BINDING = "n,,";

    private final String firstBare;
    private final String clientNonce;
    private final byte[] password;
    private byte @Nullable [] serverSignature;

    /** {@code nonce} is printable ASCII without commas, and never used twice. */
    ScramClient(String user, String password, String nonce) {
        this.firstBare = "n=" + user.replace("=", "=3D").replace(",", "=2C") + ",r=" + nonce;
        this.clientNonce = nonce;
        this.password = saslPrep(password).getBytes(StandardCharsets.UTF_8);
    }

    String first() {
        return NO_CHANNEL_BINDING + firstBare;
    }

    /** The client's final message in answer to the server's first. */
    String answer(String serverFirst) {
        List<String> fields = List.of(serverFirst.split(",", -1));
        String nonce = field(fields, 0, "r=", serverFirst);
        byte[] salt = base64(field(fields, 1, "s=", serverFirst));
        int iterations = iterations(field(fields, 2, "i=", serverFirst));
        if (!nonce.startsWith(clientNonce) || nonce.length() == clientNonce.length()) {
            throw malformed("the server's nonce does not extend ours");
        }
        String withoutProof =
                "c="
                        + Base64.getEncoder()
                                .encodeToString(
                                        NO_CHANNEL_BINDING.getBytes(StandardCharsets.US_ASCII))
                        + ",r="
                        + nonce;
        byte[] authMessage =
                (firstBare + "," + serverFirst + "," + withoutProof)
                        .getBytes(StandardCharsets.UTF_8);
        byte[] salted = saltedPassword(salt, iterations);
        byte[] clientKey = hmac(salted, ascii("Client Key"));
        byte[] proof = hmac(sha256(clientKey), authMessage);
        for (int i = 0; i < proof.length; i++) {
            proof[i] ^= clientKey[i];
        }
        serverSignature = hmac(hmac(salted, ascii("Server Key")), authMessage);
        return withoutProof + ",p=" + Base64.getEncoder().encodeToString(proof);
    }

    /** Makes sure that the server knows the password too. */
    void verify(String serverFinal) {
        byte[] expected = serverSignature;
        if (expected == null) {
            throw malformed("the final message before the first");
        }
        List<String> fields = List.of(serverFinal.split(",", -1));
        byte[] found = base64(field(fields, 0, "v=", serverFinal));
        if (!MessageDigest.isEqual(expected, found)) {
            throw new PageserverException(
                    ErrorCode.SOURCE_BROKEN,
                    "SCRAM: the server's signature is wrong: it does not know the password");
        }
    }

    /**
     * RFC 4013 as far as PostgreSQL's own clients need it: ASCII stays, other spaces become a
     * space, what maps to nothing goes, the rest is NFKC-normalised; a password with control
     * characters or unassigned code points is taken as it is.
     */
    static String saslPrep(String password) {
        StringBuilder mapped = new StringBuilder(password.length());
        for (int i = 0; i < password.length(); ) {
            int c = password.codePointAt(i);
            i += Character.charCount(c);
            int type = Character.getType(c);
            if (c < 0x20
                    || c == 0x7F
                    || type == Character.CONTROL
                    || type == Character.UNASSIGNED
                    || type == Character.SURROGATE
                    || type == Character.PRIVATE_USE) {
                return password;
            }
            if (type == Character.SPACE_SEPARATOR || c == 0x200B) {
                mapped.append(' ');
            } else if (!mapsToNothing(c)) {
                mapped.appendCodePoint(c);
            }
        }
        return Normalizer.normalize(mapped, Normalizer.Form.NFKC);
    }

    /** RFC 3454, table B.1. */
    private static boolean mapsToNothing(int c) {
        return c == 0xAD
                || c == 0x34F
                || c == 0x1806
                || c >= 0x180B && c <= 0x180D
                || c == 0x200C
                || c == 0x200D
                || c == 0x2060
                || c >= 0xFE00 && c <= 0xFE0F
                || c == 0xFEFF;
    }

    /** PBKDF2 with HMAC-SHA-256 and one block of output. */
    private byte[] saltedPassword(byte[] salt, int iterations) {
        try {
            Mac mac = mac(password);
            mac.update(salt);
            byte[] u = mac.doFinal(new byte[] {0, 0, 0, 1});
            byte[] sum = u.clone();
            for (int i = 1; i < iterations; i++) {
                mac.update(u);
                mac.doFinal(u, 0);
                for (int k = 0; k < sum.length; k++) {
                    sum[k] ^= u[k];
                }
            }
            return sum;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("HMAC-SHA-256", e);
        }
    }

    private static byte[] hmac(byte[] key, byte[] message) {
        try {
            return mac(key).doFinal(message);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("HMAC-SHA-256", e);
        }
    }

    private static Mac mac(byte[] key) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        // HMAC pads a short key with zeros, so that an empty password equals one zero byte.
        mac.init(new SecretKeySpec(key.length == 0 ? new byte[1] : key, "HmacSHA256"));
        return mac;
    }

    private static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static String field(List<String> fields, int index, String name, String message) {
        if (index >= fields.size() || !fields.get(index).startsWith(name)) {
            throw malformed("'" + message + "', expected " + name + " as field " + (index + 1));
        }
        return fields.get(index).substring(name.length());
    }

    private static byte[] base64(String text) {
        try {
            return Base64.getDecoder().decode(text);
        } catch (IllegalArgumentException e) {
            throw malformed("'" + text + "', expected base64");
        }
    }

    private static int iterations(String text) {
        try {
            int n = Integer.parseInt(text);
            if (n >= 1 && n <= MAX_ITERATIONS) {
                return n;
            }
        } catch (NumberFormatException e) {
            // falls through to the one error below
        }
        throw malformed("'" + text + "' iterations, expected 1 to " + MAX_ITERATIONS);
    }

    private static PageserverException malformed(String found) {
        return PageserverException.corruption("SCRAM: found %s", found);
    }
}
