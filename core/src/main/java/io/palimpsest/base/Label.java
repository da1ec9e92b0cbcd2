package io.palimpsest.base;

import java.util.List;
import java.util.regex.Pattern;

/**
 * A name that people have given to a branch or to a point of its history. It can be told from an
 * id, and needs no quoting in a shell, in {@code branch@point}, or, but for the slash, in a URL.
 */
public record Label(String text) implements Comparable<Label> {
    /** As PostgreSQL's own names. */
    public static final int LONGEST = 63;

    private static final String PART = "[A-Za-z0-9_][A-Za-z0-9_.-]*";
    private static final Pattern GRAMMAR = Pattern.compile(PART + "(/" + PART + ")*");
    private static final Pattern ID = Pattern.compile("[0-9a-fA-F]{32}");

    /** What these mean as a point or a place is said already. */
    private static final List<String> RESERVED = List.of("latest", "oldest", "self", "parent");

    /**
     * @throws PageserverException BAD_REQUEST if it is no name
     */
    public Label {
        if (text.length() > LONGEST || !GRAMMAR.matcher(text).matches()) {
            throw PageserverException.badRequest(
                    "'%.70s' is no name: expected 1 to %d letters, digits, '_', '.', '-' or '/', with a letter, digit or '_' first and after each '/'",
                    text, LONGEST);
        }
        if (ID.matcher(text).matches() || RESERVED.contains(text)) {
            throw PageserverException.badRequest(
                    "'%s' is no name: it is %s", text, text.length() == 32 ? "an id" : "reserved");
        }
    }

    /** Is the text an id, in which case it is never a name? */
    public static boolean isId(String text) {
        return ID.matcher(text).matches();
    }

    @Override
    public int compareTo(Label o) {
        return text.compareTo(o.text);
    }

    @Override
    public String toString() {
        return text;
    }
}
