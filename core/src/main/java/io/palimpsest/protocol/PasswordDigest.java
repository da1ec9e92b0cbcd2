package io.palimpsest.protocol;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** The answer to AuthenticationMD5Password: {@code md5 hex(md5(hex(md5(password user)) salt))}. */
final class PasswordDigest {
    private PasswordDigest() {}

    static String md5(String user, String password, byte[] salt) {
        String inner =
                hex(
                        password.getBytes(StandardCharsets.UTF_8),
                        user.getBytes(StandardCharsets.UTF_8));
        return "md5" + hex(inner.getBytes(StandardCharsets.US_ASCII), salt);
    }

    private static String hex(byte[] first, byte[] second) {
        try {
            MessageDigest digest = MessageDigest.getInstance("MD5");
            digest.update(first);
            digest.update(second);
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has MD5", e);
        }
    }
}
