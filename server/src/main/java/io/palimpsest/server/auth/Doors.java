package io.palimpsest.server.auth;

import io.palimpsest.service.Authentication;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Which of the server's two doors ask for a token. Both know the same keys.
 *
 * @param pages the page service
 * @param management the management API
 * @param tokens not null if one of them asks
 */
public record Doors(boolean pages, boolean management, @Nullable Tokens tokens) {
    /** Nobody is asked. */
    public static final Doors OPEN = new Doors(false, false, null);

    public Doors {
        if (pages || management) {
            Objects.requireNonNull(tokens);
        }
    }

    public Authentication ofPages() {
        return pages ? Objects.requireNonNull(tokens) : Authentication.TRUST;
    }

    public Authentication ofManagement() {
        return management ? Objects.requireNonNull(tokens) : Authentication.TRUST;
    }
}
