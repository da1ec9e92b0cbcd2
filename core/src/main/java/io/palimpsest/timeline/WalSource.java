package io.palimpsest.timeline;

import io.palimpsest.base.PageserverException;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A Postgres whose WAL a timeline follows, and the physical replication slot that keeps it for us.
 *
 * @param password empty if none is needed; never printed
 * @param paused somebody wants that nothing of it is taken for now; its slot keeps WAL meanwhile
 */
public record WalSource(
        String host, int port, String user, String password, String slot, boolean paused) {
    /** One that is followed. */
    public WalSource(String host, int port, String user, String password, String slot) {
        this(host, port, user, password, slot, false);
    }

    public WalSource {
        if (host.isEmpty() || port < 1 || port > 65535) {
            throw PageserverException.badRequest(
                    "WAL source: expected host and a port of 1 to 65535, found '%s' and %d",
                    host, port);
        }
        if ((host + user + password).chars().anyMatch(c -> c < ' ')) {
            throw PageserverException.badRequest(
                    "WAL source: a control character within host, user or password");
        }
        if (!slot.matches("[a-z0-9_]{1,63}")) {
            throw PageserverException.badRequest(
                    "WAL source: '%s' is no slot name: expected up to 63 of a-z, 0-9 and _", slot);
        }
    }

    /** Reads libpq's {@code key=value ...} form; values may be quoted with ' and escaped with \. */
    public static WalSource parse(String conninfo, String slot) {
        Map<String, String> found = new TreeMap<>();
        int at = 0;
        int n = conninfo.length();
        while (at < n) {
            if (Character.isWhitespace(conninfo.charAt(at))) {
                at++;
                continue;
            }
            int equals = conninfo.indexOf('=', at);
            if (equals < 0) {
                throw PageserverException.badRequest(
                        "connection string: expected key=value at character %d", at + 1);
            }
            String key = conninfo.substring(at, equals).strip();
            StringBuilder value = new StringBuilder();
            at = equals + 1;
            boolean quoted = at < n && conninfo.charAt(at) == '\'';
            if (quoted) {
                at++;
            }
            boolean closed = !quoted;
            while (at < n) {
                char c = conninfo.charAt(at++);
                if (c == '\\' && at < n) {
                    value.append(conninfo.charAt(at++));
                } else if (quoted ? c == '\'' : Character.isWhitespace(c)) {
                    closed = true;
                    break;
                } else {
                    value.append(c);
                }
            }
            if (!closed) {
                throw PageserverException.badRequest(
                        "connection string: the quote after %s= is not closed", key);
            }
            found.put(key, value.toString());
        }
        for (String key : found.keySet()) {
            switch (key) {
                case "host", "port", "user", "password" -> {}
                default ->
                        throw PageserverException.badRequest(
                                "connection string: '%s' is not known; known are host, port, user, password",
                                key);
            }
        }
        String portText = found.getOrDefault("port", "5432");
        int port;
        try {
            port = Integer.parseInt(portText);
        } catch (NumberFormatException e) {
            throw PageserverException.badRequest(
                    "connection string: port '%s' is no number", portText);
        }
        return new WalSource(
                found.getOrDefault("host", "127.0.0.1"),
                port,
                found.getOrDefault("user", "postgres"),
                found.getOrDefault("password", ""),
                slot);
    }

    /** The same one, paused or not. */
    public WalSource paused(boolean on) {
        return new WalSource(host, port, user, password, slot, on);
    }

    /**
     * The form {@link #parse} reads, password included: for the file that only the server reads.
     */
    public String conninfo() {
        return "host="
                + quote(host)
                + " port="
                + port
                + " user="
                + quote(user)
                + (password.isEmpty() ? "" : " password=" + quote(password));
    }

    /** What is written down of it in a store: no password, but that there was one. */
    String record() {
        WalSource open = new WalSource(host, port, user, "", slot);
        return slot
                + (!password.isEmpty() ? " password " : paused ? " paused " : " open ")
                + open.conninfo();
    }

    /** What {@link #record} has written; null if a person has to give the password again. */
    static @Nullable WalSource restored(String record) {
        String[] parts = record.split(" ", 3);
        if (parts.length != 3) {
            return null;
        }
        return switch (parts[1]) {
            case "open" -> parse(parts[2], parts[0]);
            case "paused" -> parse(parts[2], parts[0]).paused(true);
            default -> null;
        };
    }

    private static String quote(String value) {
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'";
    }

    /** Is it the same slot of the same server, by name? */
    public boolean sameSlot(WalSource other) {
        return host.equals(other.host) && port == other.port && slot.equals(other.slot);
    }

    @Override
    public String toString() {
        return user + "@" + host + ":" + port + " slot " + slot;
    }
}
