package io.palimpsest.server.config;

import io.palimpsest.base.PageserverException;
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
 */
public record DoorConfig(boolean pages, boolean management, @Nullable Path publicKeys) {
    private static final String DEFAULT_KEYS = "auth_public_key.pem";

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
            return new DoorConfig(pages, management, publicKeys);
        }
    }
}
