package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.timeline.WalSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Connection strings as people type them. */
class ConninfoTest {
    @TempDir private Path home;

    private WalSource parse(String text, Map<String, String> environment) {
        return Conninfo.parse(text, "s", environment);
    }

    private Path file(String name, String text, String permissions) throws IOException {
        Path path = Files.writeString(home.resolve(name), text);
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(permissions));
        return path;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    host=db port=77 user=u                | db:77 u
                    host=db                               | db:6000 eve
                    ''                                    | home:6000 eve
                    user='o''k'                           | home:6000 o'k
                    postgresql://u@db:77                  | db:77 u
                    postgres://db/mydb                    | db:6000 eve
                    postgresql://a%40b@db                 | db:6000 a@b
                    """)
    void whatIsNotSaidComesFromTheEnvironment(String text, String expected) {
        WalSource found =
                parse(
                        text.replace("''", "\\'"),
                        Map.of("PGHOST", "home", "PGPORT", "6000", "PGUSER", "eve", "HOME", "/no"));
        assertEquals(expected, found.host() + ":" + found.port() + " " + found.user());
        assertEquals("", found.password());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "host=db password=tops3cret",
                "postgresql://u:tops3cret@db",
                "postgresql://u:tops3cret@d b",
                "postgresql://db/x?password=tops3cret",
                "host=db password=tops3cret sslmode=require",
            })
    void aPasswordInAnArgumentIsRefusedAndNotRepeated(String text) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> parse(text, Map.of("HOME", "/no")));
        assertEquals(ErrorCode.BAD_REQUEST, e.code());
        assertFalse(String.valueOf(e.getMessage()).contains("tops3cret"), e.getMessage());
    }

    @Test
    void aPasswordComesFromVariablesAndFiles() throws IOException {
        Path pass =
                file(
                        ".pgpass",
                        """
                        # mine
                        other:*:*:u:no
                        db:5433:replication:u:fifth
                        db:5432:shop:u:no
                        db:*:replication:u:a\\:b\\\\c:d
                        *:*:*:*:last
                        """,
                        "rw-------");
        Map<String, String> mine = Map.of("HOME", home.toString());
        assertEquals("a:b\\c:d", parse("host=db user=u", mine).password());
        assertEquals("fifth", parse("host=db user=u port=5433", mine).password());
        assertEquals("last", parse("host=x user=y", mine).password());
        Map<String, String> elsewhere = Map.of("HOME", "/no", "PGPASSFILE", pass.toString());
        assertEquals("last", parse("host=x user=y", elsewhere).password());
        Path only = file("secret", "from file\n", "r--------");
        assertEquals(
                "from file",
                parse(
                                "host=x",
                                Map.of(
                                        "HOME",
                                        home.toString(),
                                        "PALIMPSEST_SOURCE_PASSWORD_FILE",
                                        only.toString()))
                        .password());
        assertEquals("p", parse("host=x", Map.of("PGPASSWORD", "p")).password());
        assertEquals("", parse("host=x", Map.of("HOME", "/no")).password());
    }

    @Test
    void aPasswordFileThatOthersReadIsRefused() throws IOException {
        Path open = file("open", "*:*:*:*:tops3cret\n", "rw-r-----");
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> parse("host=x", Map.of("PGPASSFILE", open.toString())));
        assertTrue(String.valueOf(e.getMessage()).contains("chmod 600"), e.getMessage());
    }
}
