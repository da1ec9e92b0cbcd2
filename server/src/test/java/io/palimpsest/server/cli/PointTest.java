package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PointTest {
    private static final Instant NOW = Instant.parse("2026-11-28T12:00:00Z");

    @ParameterizedTest
    @CsvSource({
        "2026-11-28T14:03:00+01:00, 2026-11-28T13:03:00Z",
        "2026-11-28 14:03:00z, 2026-11-28T14:03:00Z",
        "2026-11-28T14:03Z, 2026-11-28T14:03:00Z",
        "-15m, 2026-11-28T11:45:00Z",
        "-2d, 2026-11-26T12:00:00Z",
        "-90s, 2026-11-28T11:58:30Z",
        "-1h, 2026-11-28T11:00:00Z"
    })
    void times(String text, String expected) {
        assertEquals(new Point.Time(Instant.parse(expected)), Point.parse(text, NOW));
    }

    @Test
    void others() {
        assertEquals(new Point.Latest(), Point.parse("LATEST", NOW));
        assertEquals(new Point.Oldest(), Point.parse("oldest", NOW));
        Point.Named named = new Point.Named(new Label("before_migration"));
        assertEquals(named, Point.parse("before_migration", NOW));
        assertEquals(named, Point.parse("name:before_migration", NOW));
        assertEquals(new Point.Xid(733), Point.parse("xid:733", NOW));
        // It could be an LSN, and is one: of a point's name there is none with a slash.
        assertEquals(new Point.At(Lsn.parse("A/B")), Point.parse("A/B", NOW));
        assertEquals(new Point.At(Lsn.parse("0/16B3748")), Point.parse("0/16B3748", NOW));
    }

    @Test
    void aTimeWithoutAZoneSaysBothItMayMean() {
        String message = refusal("2026-11-28 14:03:00");
        assertTrue(message.contains("2026-11-28T14:03Z for UTC"), message);
        assertTrue(message.contains("this machine's"), message);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "name:",
                "name:7th/x y",
                "x y",
                "15m",
                "-m",
                "-99999999999m",
                "0/",
                "2026-13-01T00:00Z"
            })
    void nonsense(String text) {
        refusal(text);
    }

    private static String refusal(String text) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> Point.parse(text, NOW));
        assertEquals(ErrorCode.BAD_REQUEST, e.code());
        return String.valueOf(e.getMessage());
    }
}
