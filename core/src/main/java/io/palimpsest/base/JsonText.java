package io.palimpsest.base;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reads JSON, as far as what is stored needs it: objects are sorted maps, arrays lists, texts
 * strings, whole numbers longs, other numbers doubles, null is {@link #NULL}. Trusts nothing: what
 * is no JSON, or nested too deeply, is BAD_REQUEST with its place.
 */
public final class JsonText {
    /** In place of null. */
    public static final Object NULL = new Object();

    private static final int DEEPEST = 16;

    private final String text;
    private int at;

    private JsonText(String text) {
        this.text = text;
    }

    /** The one value that the text is. */
    public static Object parse(String text) {
        JsonText reader = new JsonText(text);
        Object value = reader.value(0);
        reader.space();
        if (reader.at != text.length()) {
            throw reader.wrong("the end");
        }
        return value;
    }

    private PageserverException wrong(String expected) {
        return PageserverException.badRequest(
                "JSON: expected %s at character %d, found %s",
                expected, at, at < text.length() ? "'" + text.charAt(at) + "'" : "the end");
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private char next() {
        if (at >= text.length()) {
            throw wrong("more");
        }
        return text.charAt(at);
    }

    private boolean takes(char c) {
        space();
        if (at < text.length() && text.charAt(at) == c) {
            at++;
            return true;
        }
        return false;
    }

    private void take(char c) {
        if (!takes(c)) {
            throw wrong("'" + c + "'");
        }
    }

    private Object value(int depth) {
        if (depth > DEEPEST) {
            throw wrong("nothing nested deeper");
        }
        space();
        return switch (next()) {
            case '{' -> object(depth);
            case '[' -> array(depth);
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", NULL);
            default -> number();
        };
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw wrong(word);
        }
        at += word.length();
        return value;
    }

    private Map<String, Object> object(int depth) {
        TreeMap<String, Object> found = new TreeMap<>();
        take('{');
        if (takes('}')) {
            return found;
        }
        do {
            space();
            if (next() != '"') {
                throw wrong("a name");
            }
            String name = string();
            take(':');
            if (found.put(name, value(depth + 1)) != null) {
                throw wrong("no name twice, '" + name + "' was there");
            }
        } while (takes(','));
        take('}');
        return found;
    }

    private List<Object> array(int depth) {
        List<Object> found = new ArrayList<>();
        take('[');
        if (takes(']')) {
            return found;
        }
        do {
            found.add(value(depth + 1));
        } while (takes(','));
        take(']');
        return found;
    }

    private String string() {
        StringBuilder s = new StringBuilder();
        at++;
        for (char c = next(); c != '"'; c = next()) {
            if (c < ' ') {
                throw wrong("no control character");
            }
            at++;
            s.append(c == '\\' ? escaped() : c);
        }
        at++;
        return s.toString();
    }

    private char escaped() {
        char c = next();
        at++;
        return switch (c) {
            case '"', '\\', '/' -> c;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> {
                String digits = text.substring(at, Math.min(text.length(), at + 4));
                if (!digits.matches("[0-9a-fA-F]{4}")) {
                    throw wrong("four hexadecimal digits");
                }
                at += 4;
                yield (char) Integer.parseInt(digits, 16);
            }
            default -> throw wrong("an escape");
        };
    }

    private Object number() {
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String digits = text.substring(start, at);
        if (!digits.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
            at = start;
            throw wrong("a value");
        }
        try {
            return digits.matches("-?[0-9]+")
                    ? (Object) Long.valueOf(digits)
                    : Double.valueOf(digits);
        } catch (NumberFormatException e) {
            at = start;
            throw wrong("a number that is not as large");
        }
    }
}
