package io.palimpsest.regress.storage;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Gathers the rows that parts measure, and shows them. */
final class Report {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** The values of one row as they come, round by round. */
    static final class Row {
        private final List<Double> ours = new ArrayList<>();
        private final List<Double> peers = new ArrayList<>();

        void add(double value, double peer) {
            ours.add(value);
            peers.add(peer);
        }

        void add(double value) {
            ours.add(value);
        }

        /** The values of this one as multiples of another's, whatever their peers. */
        Row over(Row other) {
            Row row = new Row();
            for (int i = 0; i < ours.size(); i++) {
                row.add(ours.get(i), other.ours.get(i));
            }
            return row;
        }
    }

    private final List<Measure> measures = new ArrayList<>();
    private final Consumer<String> progress;

    Report(Consumer<String> progress) {
        this.progress = progress;
    }

    void say(String text) {
        progress.accept(text);
    }

    /** A rate and its peer's: the more the better. */
    void rate(String name, String peer, String unit, Row row, @Nullable Goal goal, String note) {
        measures.add(new Measure(name, peer, unit, false, row.ours, row.peers, goal, note));
    }

    /** A cost and its peer's: the less the better. */
    void cost(String name, String peer, String unit, Row row, @Nullable Goal goal, String note) {
        measures.add(new Measure(name, peer, unit, true, row.ours, row.peers, goal, note));
    }

    /** A value that stands for itself. */
    void value(String name, String unit, Row row, @Nullable Goal goal, String note) {
        boolean less = goal == null || !goal.atLeast();
        measures.add(new Measure(name, null, unit, less, row.ours, List.of(), goal, note));
    }

    List<Measure> measures() {
        return List.copyOf(measures);
    }

    void write(Path file) throws IOException {
        JSON.writeValue(file.toFile(), measures);
    }

    void addFrom(Path file) throws IOException {
        measures.addAll(
                JSON.readValue(Files.readAllBytes(file), new TypeReference<List<Measure>>() {}));
    }

    String json(Map<String, Object> setting) throws IOException {
        Map<String, Object> all = new LinkedHashMap<>(setting);
        List<Map<String, Object>> rows = new ArrayList<>();
        for (Measure m : measures) {
            Map<String, Object> row = new LinkedHashMap<>();
            row.put("name", m.name());
            row.put("peer", m.peer());
            row.put("unit", m.unit());
            row.put("ratio", m.ratio());
            row.put("medianRatio", m.medianRatio());
            row.put("goal", m.goal() == null ? null : m.goal().toString());
            row.put("verdict", m.verdict());
            row.put("rounds", m.ours());
            row.put("peerRounds", m.peers());
            row.put("note", m.note());
            rows.add(row);
        }
        all.put("measures", rows);
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(all);
    }

    String text() {
        StringBuilder out = new StringBuilder();
        out.append(
                String.format(
                        Locale.ROOT,
                        "%-58s %9s %9s  %-8s %-8s %12s %12s  %s%n",
                        "measure (of: peer or limit)",
                        "ratio",
                        "median",
                        "goal",
                        "",
                        "best",
                        "peer's best",
                        "unit"));
        for (Measure m : measures) {
            boolean alone = m.peer() == null;
            out.append(
                    String.format(
                            Locale.ROOT,
                            "%-58s %9s %9s  %-8s %-8s %12s %12s  %s%n",
                            m.name(),
                            alone ? "" : number(m.ratio()),
                            alone ? "" : number(m.medianRatio()),
                            m.goal() == null ? "" : m.goal(),
                            m.verdict(),
                            number(alone ? m.median() : m.best()),
                            alone ? "" : number(m.peerBest()),
                            m.unit()));
            if (m.peer() != null) {
                out.append("    of: ").append(m.peer()).append('\n');
            }
            if (!m.note().isEmpty()) {
                out.append("    ").append(m.note()).append('\n');
            }
        }
        return out.append('\n').append(goals()).toString();
    }

    /** How many goals are met, and which are not. */
    String goals() {
        List<Measure> aims = measures.stream().filter(m -> !m.verdict().isEmpty()).toList();
        List<Measure> missed = aims.stream().filter(m -> !m.verdict().equals("met")).toList();
        StringBuilder out = new StringBuilder();
        out.append(aims.size() - missed.size()).append(" of ").append(aims.size());
        out.append(" goals met").append(missed.isEmpty() ? "" : "; not met:").append('\n');
        for (Measure m : missed) {
            out.append(
                    String.format(
                            Locale.ROOT,
                            "    %s: %s, wanted %s%n",
                            m.name(),
                            number(m.ratio()),
                            String.valueOf(m.goal())));
        }
        return out.toString();
    }

    private static String number(double v) {
        return Math.abs(v) >= 1000
                ? String.format(Locale.ROOT, "%,.0f", v)
                : String.format(Locale.ROOT, Math.abs(v) >= 100 ? "%.1f" : "%.3f", v);
    }
}
