package io.palimpsest.server.runtime;

import io.palimpsest.port.Ids;
import java.security.SecureRandom;

/** Unguessable numbers. */
public final class SecureIds implements Ids {
    private final SecureRandom random = new SecureRandom();

    @Override
    public long nextLong() {
        return random.nextLong();
    }
}
