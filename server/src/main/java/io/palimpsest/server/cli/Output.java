package io.palimpsest.server.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.LsnRange;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** How things are printed. */
final class Output {
    private static final ObjectMapper JSON =
            new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private Output() {}

    /** An object to print: its first member is the version of its shape. */
    static ObjectNode object() {
        ObjectNode o = JsonNodeFactory.instance.objectNode();
        o.put("schema", 1);
        return o;
    }

    static void json(PrintWriter out, JsonNode node) {
        try {
            out.println(JSON.writeValueAsString(node));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Bytes for people: three digits and a unit. */
    static String bytes(long n) {
        if (n < 1024) {
            return n + " B";
        }
        double v = n;
        int unit = -1;
        while (v >= 1023.5) {
            v /= 1024;
            unit++;
        }
        return String.format(
                Locale.ROOT, v < 9.95 ? "%.1f %ciB" : "%.0f %ciB", v, "KMGTPE".charAt(unit));
    }

    static String number(long n) {
        return String.format(Locale.ROOT, "%,d", n);
    }

    static String lsns(LsnRange lsns) {
        return Lsn.toString(lsns.start()) + " .. " + Lsn.toString(lsns.end());
    }

    /** Rows of cells in columns; those whose heading starts with '>' stand to the right. */
    static final class Table {
        private final List<String[]> rows = new ArrayList<>();

        Table(String... headings) {
            rows.add(headings);
        }

        void row(Object... cells) {
            rows.add(Arrays.stream(cells).map(String::valueOf).toArray(String[]::new));
        }

        void print(PrintWriter out) {
            String[] headings = rows.getFirst();
            int[] width = new int[headings.length];
            for (String[] row : rows) {
                for (int i = 0; i < width.length; i++) {
                    width[i] = Math.max(width[i], row[i].replace(">", "").length());
                }
            }
            for (int r = 0; r < rows.size(); r++) {
                String[] row = rows.get(r);
                StringBuilder line = new StringBuilder();
                for (int i = 0; i < width.length; i++) {
                    boolean right = headings[i].startsWith(">");
                    String cell = r == 0 && right ? row[i].substring(1) : row[i];
                    String space = " ".repeat(Math.max(0, width[i] - cell.length()));
                    line.append(i == 0 ? "" : "  ").append(right ? space + cell : cell + space);
                }
                out.println(line.toString().stripTrailing());
            }
        }
    }
}
