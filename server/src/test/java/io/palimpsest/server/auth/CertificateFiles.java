package io.palimpsest.server.auth;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;
import java.util.List;

/**
 * A certificate for 127.0.0.1 that is signed by itself, as PEM files, made by the JDK's keytool.
 */
public record CertificateFiles(Path chain, Path key) {
    private static final String PASSWORD = "changeit";

    /** Makes the files {@code name.crt} and {@code name.key}. */
    public static CertificateFiles make(Path directory, String name) throws IOException {
        Path store = directory.resolve(name + ".p12");
        Files.deleteIfExists(store);
        Process keytool =
                new ProcessBuilder(
                                List.of(
                                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                                .toString(),
                                        "-genkeypair",
                                        "-keyalg",
                                        "EC",
                                        "-alias",
                                        name,
                                        "-dname",
                                        "CN=" + name,
                                        "-ext",
                                        "SAN=IP:127.0.0.1",
                                        "-validity",
                                        "2",
                                        "-storetype",
                                        "PKCS12",
                                        "-keystore",
                                        store.toString(),
                                        "-storepass",
                                        PASSWORD))
                        .redirectErrorStream(true)
                        .start();
        String said = new String(keytool.getInputStream().readAllBytes());
        try (InputStream in = Files.newInputStream(store)) {
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(in, PASSWORD.toCharArray());
            Path chain = directory.resolve(name + ".crt");
            Path key = directory.resolve(name + ".key");
            pem(chain, "CERTIFICATE", keys.getCertificate(name).getEncoded());
            pem(key, "PRIVATE KEY", keys.getKey(name, PASSWORD.toCharArray()).getEncoded());
            return new CertificateFiles(chain, key);
        } catch (IOException | GeneralSecurityException e) {
            throw new AssertionError("keytool: " + said, e);
        }
    }

    static Path pem(Path file, String label, byte[] der) throws IOException {
        return Files.writeString(
                file,
                "-----BEGIN %s-----\n%s\n-----END %s-----\n"
                        .formatted(
                                label,
                                Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der),
                                label));
    }
}
