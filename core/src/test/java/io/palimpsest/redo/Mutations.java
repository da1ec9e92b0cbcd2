package io.palimpsest.redo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.PgVersion;
import java.util.Arrays;
import java.util.List;

/**
 * What must hold for any damage of a record or page: redo ends, with a page or with an explicit
 * error; the record stays as it was; nothing outside the record has an influence.
 */
final class Mutations {
    /** A record that applies to its page as it is. */
    record Case(String name, PgVersion version, byte[] page, byte[] value) {
        Case(String name, byte[] page, byte[] value) {
            this(name, PgVersion.V17, page, value);
        }
    }

    private static final int MARGIN = 256;
    private static final int[] EDGES = {0, 1, 2, 3, 0x7F, 0x80, 0xFE, 0xFF};

    private Mutations() {}

    static void check(List<Case> cases, long seed) {
        Prng random = new Prng(seed);
        Case c = cases.get(random.nextInt(cases.size()));
        byte[] page = c.page().clone();
        byte[] value = c.value().clone();
        int changes = random.nextInt(4);
        for (int i = 0; i < changes; i++) {
            boolean inPage = random.oneIn(3);
            byte[] target = inPage ? page : value;
            // Headers, line pointers and special areas are where damage does most.
            int at =
                    inPage
                            ? (random.nextBoolean()
                                    ? 8 + random.nextInt(64)
                                    : 8150 + random.nextInt(42))
                            : fromInfoOn(value, random);
            target[at] =
                    (byte) (random.nextBoolean() ? EDGES[random.nextInt(8)] : random.nextInt(256));
        }
        String first = outcome(c, page, value, (byte) 0);
        assertEquals(
                first, outcome(c, page, value, (byte) 0xFF), () -> c.name() + ", seed " + seed);
        if (changes == 0) {
            assertEquals(64, first.length(), () -> c.name() + " does not apply: " + first);
        }
    }

    /** Anything but the kind, flags and image: those are not this test's business. */
    private static int fromInfoOn(byte[] value, Prng random) {
        int imageFlags = 10 + 6 * value[9] + 2;
        int at = 3 + random.nextInt(value.length - 3);
        return at == 9 || at == imageFlags - 1 || at == imageFlags - 2 || at == imageFlags ? 3 : at;
    }

    private static String outcome(Case c, byte[] page, byte[] value, byte around) {
        byte[] surrounded = new byte[MARGIN + value.length + MARGIN];
        Arrays.fill(surrounded, around);
        System.arraycopy(value, 0, surrounded, MARGIN, value.length);
        byte[] before = surrounded.clone();
        byte[] result = page.clone();
        String outcome;
        try {
            new PageRedo(new RedoContext(c.version(), true))
                    .apply(result, surrounded, MARGIN, value.length, IndexRecord.RECORD_LSN);
            outcome = String.format("%064x", Arrays.hashCode(result));
        } catch (PageserverException e) {
            outcome = "error " + e.getMessage();
        }
        assertArrayEquals(before, surrounded, "redo changed the record");
        return outcome;
    }
}
