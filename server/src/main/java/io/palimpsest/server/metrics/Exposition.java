package io.palimpsest.server.metrics;

import io.palimpsest.base.Check;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/**
 * Metrics as Prometheus reads them (text format 0.0.4): of each family its help and type, then its
 * samples. What is not known has no sample; 0 means 0.
 */
final class Exposition {
    private final StringBuilder text = new StringBuilder();
    private final Set<String> families = new TreeSet<>();
    private String family = "";

    /** What a family's samples are. */
    enum MetricType {
        COUNTER,
        GAUGE,
        HISTOGRAM
    }

    /** Begins a family. */
    Exposition family(String name, MetricType type, String help) {
        Check.that(families.add(name), "metric %s twice", name);
        family = name;
        text.append("# HELP ").append(name).append(' ').append(escaped(help)).append('\n');
        text.append("# TYPE ")
                .append(name)
                .append(' ')
                .append(type.name().toLowerCase(Locale.ROOT))
                .append('\n');
        return this;
    }

    /**
     * A sample of the family.
     *
     * @param labels names and values in turn
     */
    Exposition sample(double value, String... labels) {
        return sampleOf(family, value, labels);
    }

    /** A whole one. */
    Exposition sample(long value, String... labels) {
        return sampleOf(family, value, labels);
    }

    /** A sample under another name, as histograms have them: with a suffix. */
    Exposition sampleOf(String name, double value, String... labels) {
        return sampleOf(name, Double.toString(value), labels);
    }

    /** A whole one. */
    Exposition sampleOf(String name, long value, String... labels) {
        return sampleOf(name, Long.toString(value), labels);
    }

    private Exposition sampleOf(String name, String value, String[] labels) {
        text.append(name);
        for (int i = 0; i < labels.length; i += 2) {
            text.append(i == 0 ? '{' : ',')
                    .append(labels[i])
                    .append("=\"")
                    .append(escaped(labels[i + 1]).replace("\"", "\\\""))
                    .append('"');
        }
        text.append(labels.length == 0 ? " " : "} ");
        text.append(value).append('\n');
        return this;
    }

    /** The families so far. */
    Set<String> families() {
        return families;
    }

    String text() {
        return text.toString();
    }

    private static String escaped(String s) {
        return s.replace("\\", "\\\\").replace("\n", "\\n");
    }
}
