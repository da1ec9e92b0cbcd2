package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import io.palimpsest.timeline.WalSource;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A connection string as people type it, keywords or URI, completed by what libpq's users have in
 * their environment. A password in it is refused: everybody on the machine can read arguments.
 */
final class Conninfo {
    static final String HELP =
            "The password is never an argument: it is taken from PGPASSWORD, from the file that PALIMPSEST_SOURCE_PASSWORD_FILE names, or from PGPASSFILE or ~/.pgpass. PGHOST, PGPORT and PGUSER count where CONNINFO does not say.";

    private static final Set<PosixFilePermission> OTHERS =
            EnumSet.complementOf(
                    EnumSet.of(
                            PosixFilePermission.OWNER_READ,
                            PosixFilePermission.OWNER_WRITE,
                            PosixFilePermission.OWNER_EXECUTE));

    /** What libpq calls the database of a connection for replication, and ours for SQL. */
    private static final List<String> DATABASES = List.of("replication", "postgres", "*");

    private Conninfo() {}

    /**
     * The source, with the password that was found; without one if there is none.
     *
     * @throws PageserverException BAD_REQUEST without a word of the password
     */
    static WalSource parse(String text, String slot, Map<String, String> environment) {
        WalSource source =
                text.startsWith("postgresql://") || text.startsWith("postgres://")
                        ? ofUri(text, slot, environment)
                        : WalSource.parse(defaults(environment) + text, slot);
        if (!source.password().isEmpty()) {
            throw passwordInArgument();
        }
        return new WalSource(
                source.host(), source.port(), source.user(), password(source, environment), slot);
    }

    private static PageserverException passwordInArgument() {
        return PageserverException.badRequest(
                "there is a password in the argument, where everybody on this machine can read it; change it, and put the new one into ~/.pgpass or PGPASSWORD");
    }

    private static String defaults(Map<String, String> environment) {
        StringBuilder text = new StringBuilder();
        for (String key : List.of("host", "port", "user")) {
            String value = environment.get("PG" + key.toUpperCase(Locale.ROOT));
            if (value != null && !value.isEmpty()) {
                text.append(key).append('=').append(quoted(value)).append(' ');
            }
        }
        return text.toString();
    }

    private static String quoted(String value) {
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'";
    }

    private static WalSource ofUri(String text, String slot, Map<String, String> environment) {
        URI uri;
        try {
            uri = new URI(text);
        } catch (URISyntaxException e) {
            // Not the exception's text: it has the whole URI in it.
            throw PageserverException.badRequest(
                    "the URI is damaged at character %d: expected postgresql://USER@HOST:PORT",
                    e.getIndex() + 1);
        }
        if (uri.getQuery() != null) {
            throw PageserverException.badRequest(
                    "the URI has parameters, which are not known here: expected postgresql://USER@HOST:PORT");
        }
        StringBuilder keywords = new StringBuilder(defaults(environment));
        String user = uri.getUserInfo();
        if (user != null && user.contains(":")) {
            throw passwordInArgument();
        }
        if (user != null) {
            keywords.append("user=").append(quoted(user)).append(' ');
        }
        if (uri.getHost() != null) {
            keywords.append("host=").append(quoted(uri.getHost())).append(' ');
        }
        if (uri.getPort() >= 0) {
            keywords.append("port=").append(uri.getPort());
        }
        return WalSource.parse(keywords.toString(), slot);
    }

    private static String password(WalSource source, Map<String, String> environment) {
        String plain = environment.get("PGPASSWORD");
        if (plain != null && !plain.isEmpty()) {
            return plain;
        }
        String file = environment.get("PALIMPSEST_SOURCE_PASSWORD_FILE");
        if (file != null) {
            return read(Path.of(file)).strip();
        }
        String passFile = environment.get("PGPASSFILE");
        Path path =
                passFile == null
                        ? Path.of(environment.getOrDefault("HOME", "/"), ".pgpass")
                        : Path.of(passFile);
        if (!Files.exists(path)) {
            return "";
        }
        for (String line : read(path).lines().toList()) {
            String found = line.startsWith("#") ? null : match(line, source);
            if (found != null) {
                return found;
            }
        }
        return "";
    }

    private static String read(Path path) {
        try {
            for (PosixFilePermission permission : Files.getPosixFilePermissions(path)) {
                if (OTHERS.contains(permission)) {
                    throw PageserverException.badRequest(
                            "%s is a password file that others may read or write: chmod 600 %s",
                            path, path);
                }
            }
            return Files.readString(path);
        } catch (IOException e) {
            throw PageserverException.badRequest("%s cannot be read: %s", path, e);
        }
    }

    /** The password of a line host:port:database:user:password; null if it is for others. */
    private static @Nullable String match(String line, WalSource source) {
        List<String> fields = fields(line);
        return fields.size() == 5
                        && is(fields.get(0), source.host())
                        && is(fields.get(1), Integer.toString(source.port()))
                        && DATABASES.contains(fields.get(2))
                        && is(fields.get(3), source.user())
                ? fields.get(4)
                : null;
    }

    private static boolean is(String pattern, String value) {
        return pattern.equals("*") || pattern.equals(value);
    }

    /** Separated by colons; \: and \\ stand for themselves. */
    private static List<String> fields(String line) {
        List<String> fields = new ArrayList<>();
        StringBuilder field = new StringBuilder();
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '\\' && i + 1 < line.length()) {
                field.append(line.charAt(++i));
            } else if (c == ':' && fields.size() < 4) {
                fields.add(field.toString());
                field.setLength(0);
            } else {
                field.append(c);
            }
        }
        fields.add(field.toString());
        return fields;
    }
}
