package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * What was found of a running server: what is good, what to look at, and what must be put right.
 */
final class Review {
    /** In the order of how bad it is. */
    enum Verdict {
        GOOD("OK", 0),
        WARNING("WARNING", 1),
        WRONG("CRITICAL", 2);

        /** How a plugin of Nagios says it, and its exit status. */
        final String nagios;

        final int status;

        Verdict(String nagios, int status) {
            this.nagios = nagios;
            this.status = status;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * One thing that was looked at.
     *
     * @param next what to do about it; empty if it is good
     */
    record Finding(String what, Verdict verdict, String found, String next) {}

    /**
     * A number to draw.
     *
     * @param unit as Nagios has them: B, s, %, or none
     * @param limits {@code warning;critical}, or empty
     */
    record Figure(String name, long value, String unit, String limits) {
        /** With what Nagios takes for a separator written otherwise. */
        String perfdata() {
            return "'"
                    + name.replaceAll("['=|\\s]", "_")
                    + "'="
                    + value
                    + unit
                    + (limits.isEmpty() ? "" : ";" + limits);
        }
    }

    /** What there is, for {@code status}; as it is printed as JSON. */
    final ObjectNode facts = Output.object();

    final List<Finding> findings = new ArrayList<>();
    final List<Figure> figures = new ArrayList<>();

    void good(String what, String found) {
        findings.add(new Finding(what, Verdict.GOOD, found, ""));
    }

    void warning(String what, String found, String next) {
        findings.add(new Finding(what, Verdict.WARNING, found, next));
    }

    void wrong(String what, String found, String next) {
        findings.add(new Finding(what, Verdict.WRONG, found, next));
    }

    /** The worst there is. */
    Verdict verdict() {
        Verdict worst = Verdict.GOOD;
        for (Finding finding : findings) {
            worst = finding.verdict.compareTo(worst) > 0 ? finding.verdict : worst;
        }
        return worst;
    }

    /** Those that are not good, the worst first. */
    List<Finding> troubles() {
        return findings.stream()
                .filter(f -> f.verdict != Verdict.GOOD)
                .sorted((a, b) -> b.verdict.compareTo(a.verdict))
                .toList();
    }

    /** One line, as plugins of Nagios print it: what is wrong before the bar, numbers after it. */
    String nagios() {
        List<Finding> troubles = troubles();
        String said =
                troubles.isEmpty()
                        ? findings.size() + " things looked at"
                        : troubles.stream()
                                .map(f -> f.what + ": " + f.found)
                                .collect(Collectors.joining("; "));
        String line = "PALIMPSEST " + verdict().nagios + " - " + said.replaceAll("[|\\s]+", " ");
        return figures.isEmpty()
                ? line
                : line
                        + " | "
                        + figures.stream().map(Figure::perfdata).collect(Collectors.joining(" "));
    }

    /** Adds verdict, findings and figures to what there is. */
    ObjectNode json() {
        ObjectNode o = facts.deepCopy();
        o.put("verdict", verdict().toString());
        ArrayNode list = o.putArray("findings");
        for (Finding f : findings) {
            ObjectNode one =
                    list.addObject()
                            .put("what", f.what)
                            .put("verdict", f.verdict.toString())
                            .put("found", f.found);
            if (!f.next.isEmpty()) {
                one.put("next", f.next);
            }
        }
        ArrayNode numbers = o.putArray("figures");
        for (Figure f : figures) {
            numbers.addObject().put("name", f.name).put("value", f.value).put("unit", f.unit);
        }
        return o;
    }
}
