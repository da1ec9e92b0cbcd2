package io.palimpsest.base;

/** Which attachment of a tenant wrote a file; a newer one never meets an older one's names. */
public record Generation(int value) implements Comparable<Generation> {
    public static final Generation FIRST = new Generation(1);

    public Generation {
        Check.that(value > 0, "generation %d", value);
    }

    @Override
    public int compareTo(Generation o) {
        return Integer.compare(value, o.value);
    }

    /** Eight lower-case hexadecimal digits, as file names carry it. */
    @Override
    public String toString() {
        return Hex.digits(value);
    }
}
