package io.palimpsest.pg;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.WalHistory.Ended;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WalHistoryTest {
    private static final WalHistory THIRD =
            new WalHistory(3, List.of(new Ended(1, 0x100), new Ended(2, 0x200)));

    private static WalHistory of(String text) {
        String[] parts = text.split(" ");
        WalHistory history = WalHistory.on(Integer.parseInt(parts[0]));
        for (int i = 1; i < parts.length; i += 2) {
            history =
                    history.promoted(Integer.parseInt(parts[i + 1]), Long.parseLong(parts[i], 16));
        }
        return history;
    }

    /** As PostgreSQL 17 wrote it after two promotions. */
    @Test
    void aServersFileIsRead() {
        WalHistory read =
                WalHistory.parse(
                        3,
                        "1\t0/3000148\tno recovery target specified\n\n2\t0/5000110\tbefore 2026-11-29 10:00:00+00\n");
        assertEquals(
                new WalHistory(3, List.of(new Ended(1, 0x3000148), new Ended(2, 0x5000110))), read);
        assertEquals(read, WalHistory.parse(3, read.text()));
        assertEquals(WalHistory.on(2), WalHistory.parse(2, "# of an older server\n"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "x",
                "1",
                "1\tno\tx",
                "1\t0/20\tx\n1\t0/30\tx",
                "2\t0/20\tx\n1\t0/30\tx",
                "1\t0/30\tx\n2\t0/20\tx",
                "3\t0/20\tx",
                "-1\t0/20\tx"
            })
    void whatIsNoFileOfItIsRefused(String file) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> WalHistory.parse(3, file));
        assertEquals(ErrorCode.CORRUPTION, e.code());
        assertTrue(String.valueOf(e.getMessage()).contains("history of WAL timeline 3, line"));
    }

    @Test
    void whatCannotBeIsNoHistory() {
        assertThrows(Check.Failed.class, () -> THIRD.promoted(3, 0x300));
        assertThrows(Check.Failed.class, () -> THIRD.promoted(4, 0x1FF));
    }

    @Test
    void aTimelineEndsWhereItsSuccessorBegins() {
        assertEquals(0x200, THIRD.begin());
        assertEquals(0, WalHistory.on(7).begin());
        assertEquals(0x100, THIRD.end(1));
        assertEquals(-1, THIRD.end(3));
        assertEquals(of("1"), THIRD.upTo(0x100));
        assertEquals(of("1 100 2"), THIRD.upTo(0x101));
        assertEquals(of("1 100 2"), THIRD.from(0x100));
        assertEquals(of("1"), THIRD.from(0xFF));
        assertEquals(THIRD, THIRD.from(0x200));
        assertEquals(THIRD, THIRD.upTo(0x201));
    }

    /** {@code -1} is all there is. */
    @ParameterizedTest
    @CsvSource({
        "1,             1,               -1",
        "1,             1 100 2,         100",
        "1 100 2,       1 100 2,         -1",
        "1 100 2,       1 80 2,          80",
        "1 100 2,       1 100 2 200 3,   200",
        "1 100 2,       1 100 3,         100",
        "1 100 2 200 3, 1 100 4,         100",
        "1 100 2 200 3, 1 100 2 180 3,   180",
        "1 100 2 200 3, 1 80 2 200 3,    80",
        "2,             1 100 2,         -1",
        "2,             1 100 2 200 3,   200",
        "3,             1 100 2 200 3,   -1",
        "2,             1,               0",
        "2,             3,               0",
        "2 200 3,       1 100 2 150 3,   150",
    })
    void whatTwoServersHaveInCommon(String one, String other, String common) {
        long expected = common.equals("-1") ? -1 : Long.parseLong(common, 16);
        assertEquals(expected, of(one).common(of(other)));
        assertEquals(expected, of(other).common(of(one)));
    }
}
