package io.palimpsest.regress.oracle;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** SQL text cut into its statements, as psql would, without psql's own commands. */
final class SqlScript {
    private SqlScript() {}

    /** The statements of a resource beside this class. */
    static List<String> resource(String name) throws IOException {
        try (InputStream in = SqlScript.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IOException("no resource " + name);
            }
            return statements(new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    /**
     * Cuts at semicolons that are in no string, quoted name, comment or dollar quote. Lines that
     * start with a backslash are dropped.
     */
    static List<String> statements(String text) {
        List<String> statements = new ArrayList<>();
        StringBuilder statement = new StringBuilder();
        String rest = text.replaceAll("(?m)^\\\\.*$", "");
        int at = 0;
        while (at < rest.length()) {
            int end = tokenEnd(rest, at);
            if (end == at + 1 && rest.charAt(at) == ';') {
                add(statements, statement);
            } else if (!rest.startsWith("--", at)) {
                statement.append(rest, at, end);
            }
            at = end;
        }
        add(statements, statement);
        return statements;
    }

    private static void add(List<String> statements, StringBuilder statement) {
        String text = statement.toString().strip();
        if (!text.isEmpty()) {
            statements.add(text);
        }
        statement.setLength(0);
    }

    /** End of what must not be cut, at {@code at}: a quote, a comment or one character. */
    private static int tokenEnd(String s, int at) {
        char c = s.charAt(at);
        if (c == '\'' || c == '"') {
            return after(s, String.valueOf(c), at + 1);
        }
        if (s.startsWith("--", at)) {
            return after(s, "\n", at);
        }
        if (s.startsWith("/*", at)) {
            return after(s, "*/", at + 2);
        }
        if (c == '$') {
            int close = s.indexOf('$', at + 1);
            if (close > 0 && s.substring(at + 1, close).matches("[A-Za-z_]?\\w*")) {
                String tag = s.substring(at, close + 1);
                return after(s, tag, close + 1);
            }
        }
        return at + 1;
    }

    private static int after(String s, String what, int from) {
        int found = s.indexOf(what, from);
        return found < 0 ? s.length() : found + what.length();
    }
}
