package io.palimpsest.server.source;

/**
 * One thing that was looked at on a source.
 *
 * @param what a setting's name, or a word
 * @param found what it is
 * @param next what to do about it; empty if nothing
 */
public record Finding(String what, Verdict verdict, String found, String next) {
    /** How bad it is, the worst last. */
    public enum Verdict {
        /** As it should be. */
        GOOD,
        /** Works, but somebody should know. */
        WARNING,
        /** Could harm the source. Followed only if somebody says that he accepts it. */
        DANGEROUS,
        /** The source cannot be followed as it is. */
        WRONG
    }

    static Finding good(String what, String found) {
        return new Finding(what, Verdict.GOOD, found, "");
    }

    static Finding warning(String what, String found, String next) {
        return new Finding(what, Verdict.WARNING, found, next);
    }

    static Finding dangerous(String what, String found, String next) {
        return new Finding(what, Verdict.DANGEROUS, found, next);
    }

    static Finding wrong(String what, String found, String next) {
        return new Finding(what, Verdict.WRONG, found, next);
    }
}
