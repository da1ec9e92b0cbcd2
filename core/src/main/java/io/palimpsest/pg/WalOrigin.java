package io.palimpsest.pg;

import java.util.Locale;

/**
 * Whose WAL a timeline is made of. A compute node reads its own uncommitted changes back from the
 * page server, command ids included, which the WAL of an unmodified PostgreSQL does not carry;
 * Neon's fork logs them: in heap records of its own shape in 14 and 15, in records of a resource
 * manager of its own in 16 and 17. Nothing in the WAL tells which it is.
 *
 * <p>What is said here and below of Neon follows its published record layouts. It was not tried
 * against Neon itself.
 */
public enum WalOrigin {
    /** An unmodified PostgreSQL. */
    STOCK,
    /** Neon's fork of it. */
    NEON;

    /** Whether HEAP and HEAP2 records have command ids, and so another shape. */
    public boolean altersHeapRecords(PgVersion version) {
        return this == NEON && !version.atLeast(PgVersion.V16);
    }

    /** Whether there is resource manager 134; 18's is not known. */
    public boolean hasNeonRecords(PgVersion version) {
        return this == NEON && version.atLeast(PgVersion.V16) && !version.atLeast(PgVersion.V18);
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
