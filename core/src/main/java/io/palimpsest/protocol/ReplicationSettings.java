package io.palimpsest.protocol;

import io.palimpsest.base.Check;
import org.jspecify.annotations.Nullable;

/**
 * Whom to connect to for physical replication, and as whom.
 *
 * @param password null where the server trusts the user
 * @param applicationName what the server shows in pg_stat_replication
 * @param options the {@code options} start-up parameter, or empty
 * @param timeoutNanos the longest wait for a connection and for the answer to a command
 */
public record ReplicationSettings(
        String host,
        int port,
        String user,
        @Nullable String password,
        String applicationName,
        String options,
        long timeoutNanos) {
    public ReplicationSettings {
        Check.that(port > 0 && port < 65536, "port %d", port);
        Check.that(timeoutNanos > 0, "timeoutNanos %d", timeoutNanos);
        Check.that(
                (host + user + applicationName + options).indexOf(0) < 0
                        && (password == null || password.indexOf(0) < 0),
                "a NUL within the settings");
    }

    public ReplicationSettings(String host, int port, String user, @Nullable String password) {
        this(host, port, user, password, "palimpsest", "", 10_000_000_000L);
    }

    /** Without the password. */
    @Override
    public String toString() {
        return user + "@" + host + ":" + port;
    }
}
