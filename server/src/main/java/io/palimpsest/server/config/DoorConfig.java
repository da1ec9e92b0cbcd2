package io.palimpsest.server.config;

import io.palimpsest.base.PageserverException;
import io.palimpsest.server.auth.Certificate;
import io.palimpsest.server.auth.Doors;
import io.palimpsest.server.auth.Tokens;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Who may come in.
 *
 * @param pages the page service asks for a token
 * @param management the management API does
 * @param publicKeys whose tokens count: a PEM file or a directory of some; null: the working
 *     directory's own
 * @param encryption of both
 */
public record DoorConfig(
        boolean pages, boolean management, @Nullable Path publicKeys, Encryption encryption) {
    private static final String DEFAULT_KEYS = "auth_public_key.pem";

    /**
     * What is encrypted, and by which certificate.
     *
     * @param https where the management API is to be had encrypted; null: nowhere
     * @param pages the page service speaks TLS only
     * @param chain the certificate's file; relative to the working directory
     * @param key that of its private key
     * @param reloadNanos how often these are looked at
     */
    public record Encryption(
            ServerConfig.@Nullable Address https,
            boolean pages,
            Path chain,
            Path key,
            long reloadNanos) {
        /**
         * Reads the certificate if something is to be encrypted; else null.
         *
         * @throws PageserverException BAD_REQUEST if it cannot be used
         */
        public @Nullable Certificate certificate(Path workdir) {
            return pages || https != null
                    ? new Certificate(workdir.resolve(chain), workdir.resolve(key), reloadNanos)
                    : null;
        }
    }

    /**
     * Reads the keys if somebody is asked for a token.
     *
     * @throws PageserverException BAD_REQUEST if there are none
     */
    public Doors doors(Path workdir) {
        if (!pages && !management) {
            return Doors.OPEN;
        }
        Path path = publicKeys == null ? workdir.resolve(DEFAULT_KEYS) : publicKeys;
        return new Doors(pages, management, new Tokens(path, InstantSource.system()));
    }

    /** What the keys say, with defaults. */
    static final class Keys {
        private boolean pages;
        private boolean management;
        private @Nullable Path publicKeys;
        private ServerConfig.@Nullable Address https;
        private boolean encryptedPages;
        private Path chain = Path.of("server.crt");
        private Path key = Path.of("server.key");
        private long reload = 60_000_000_000L;

        /**
         * Tells of each key how its value is taken.
         *
         * @param keys takes the key and what takes the value
         */
        static void all(BiConsumer<String, BiConsumer<Keys, Object>> keys) {
            keys.accept("pg_auth_type", (k, v) -> k.pages = asks(v));
            keys.accept("http_auth_type", (k, v) -> k.management = asks(v));
            keys.accept(
                    "auth_validation_public_key_path",
                    (k, v) -> k.publicKeys = Path.of(ServerConfig.text(v)));
            keys.accept(
                    "listen_https_addr",
                    (k, v) -> k.https = ServerConfig.Address.parse(ServerConfig.text(v)));
            keys.accept(
                    "enable_tls_page_service_api",
                    (k, v) -> k.encryptedPages = ServerConfig.yes(v));
            keys.accept("ssl_cert_file", (k, v) -> k.chain = Path.of(ServerConfig.text(v)));
            keys.accept("ssl_key_file", (k, v) -> k.key = Path.of(ServerConfig.text(v)));
            keys.accept("ssl_cert_reload_period", (k, v) -> k.reload = ServerConfig.duration(v));
        }

        private static boolean asks(Object value) {
            return switch (ServerConfig.text(value)) {
                case "Trust" -> false;
                case "NeonJWT" -> true;
                default ->
                        throw new IllegalArgumentException(
                                "expected 'Trust' or 'NeonJWT', found '" + value + "'");
            };
        }

        DoorConfig config() {
            return new DoorConfig(
                    pages,
                    management,
                    publicKeys,
                    new Encryption(https, encryptedPages, chain, key, reload));
        }
    }
}
