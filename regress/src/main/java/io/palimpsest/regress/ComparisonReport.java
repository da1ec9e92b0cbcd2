package io.palimpsest.regress;

import io.palimpsest.base.Lsn;
import io.palimpsest.pg.Page;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** What one comparison found. */
final class ComparisonReport {
    private static final int KEPT = 20;

    /** Counts of one kind of relation. */
    static final class Tally {
        long relations;
        long pages;
        long changed;
        long mismatches;
        long unsupported;
        long skipped;

        void add(Tally o) {
            relations += o.relations;
            pages += o.pages;
            changed += o.changed;
            mismatches += o.mismatches;
            unsupported += o.unsupported;
            skipped += o.skipped;
        }
    }

    private final Path evidence;
    private final TreeMap<String, Tally> tallies = new TreeMap<>();
    private final TreeMap<String, Long> refusals = new TreeMap<>();
    private final List<String> mismatches = new ArrayList<>();

    ComparisonReport(Path evidence) {
        this.evidence = evidence;
    }

    private Tally tally(String label) {
        return tallies.computeIfAbsent(label, l -> new Tally());
    }

    void relation(String label) {
        tally(label).relations++;
    }

    void skipped(String label, long pages) {
        if (pages > 0) {
            tally(label).skipped += pages;
        }
    }

    void equal(String label, boolean changed) {
        Tally tally = tally(label);
        tally.pages++;
        tally.changed += changed ? 1 : 0;
    }

    /** An error that says the redo of a record kind is not there is counted, never equal. */
    void refused(String label, String where, String message) {
        int at = message.indexOf("no redo for");
        if (at >= 0) {
            tally(label).unsupported++;
            refusals.merge(label + ": " + message.substring(at), 1L, Long::sum);
        } else {
            tally(label).pages++;
            tally(label).mismatches++;
            note(where + ": the page server says: " + message);
        }
    }

    void missing(String label, String where, String what, long pages) {
        tally(label).pages += pages;
        tally(label).mismatches += pages;
        note(where + ": " + what);
    }

    void oneSided(
            String label, String where, byte @Nullable [] postgres, byte @Nullable [] served) {
        tally(label).pages++;
        tally(label).mismatches++;
        note(where + ": only " + (postgres != null ? "PostgreSQL" : "the page server") + " has it");
        keep(postgres, served);
    }

    void different(
            String label, String where, int at, byte[] postgres, byte[] served, boolean changed) {
        equal(label, changed);
        tally(label).mismatches++;
        note(
                String.format(
                        "%s: first at byte %d: PostgreSQL %s, page server %s (pd_lsn %s, %s)",
                        where,
                        at,
                        hex(postgres, at),
                        hex(served, at),
                        Lsn.toString(Page.lsn(postgres)),
                        Lsn.toString(Page.lsn(served))));
        keep(postgres, served);
    }

    private static String hex(byte[] bytes, int at) {
        StringBuilder text = new StringBuilder();
        for (int i = at; i < Math.min(at + 8, bytes.length); i++) {
            text.append(String.format("%02x", bytes[i]));
        }
        return text.toString();
    }

    private void note(String text) {
        if (mismatches.size() < KEPT) {
            mismatches.add(text);
        }
    }

    private void keep(byte @Nullable [] postgres, byte @Nullable [] served) {
        int n = mismatches.size();
        try {
            Files.createDirectories(evidence);
            Path last = evidence.resolve("mismatch-" + n + "-postgres.page");
            if (n >= KEPT && Files.exists(last)) {
                return;
            }
            if (postgres != null) {
                Files.write(last, postgres);
            }
            if (served != null) {
                Files.write(evidence.resolve("mismatch-" + n + "-pageserver.page"), served);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Counts and first mismatches of another comparison into these. */
    void add(ComparisonReport other) {
        other.tallies.forEach((label, tally) -> tally(label).add(tally));
        other.refusals.forEach((what, n) -> refusals.merge(what, n, Long::sum));
        other.mismatches.forEach(this::note);
    }

    Tally total() {
        Tally sum = new Tally();
        tallies.values().forEach(sum::add);
        return sum;
    }

    Tally of(String label) {
        return tallies.getOrDefault(label, new Tally());
    }

    List<String> mismatches() {
        return mismatches;
    }

    /** The table by kind, then what was unsupported, then the first mismatches. */
    String text() {
        StringBuilder text = new StringBuilder();
        String row = "%-24s %9s %9s %9s %10s %11s %9s%n";
        text.append(
                String.format(
                        row,
                        "kind",
                        "relations",
                        "pages",
                        "changed",
                        "mismatches",
                        "unsupported",
                        "skipped"));
        tallies.forEach((label, t) -> text.append(row(row, label, t)));
        text.append(row(row, "total", total()));
        refusals.forEach(
                (what, n) -> text.append(String.format("unsupported: %s (%d pages)%n", what, n)));
        mismatches.forEach(m -> text.append(String.format("mismatch: %s%n", m)));
        if (!mismatches.isEmpty()) {
            text.append(String.format("both pages of the first mismatches are in %s%n", evidence));
        }
        return text.toString();
    }

    private static String row(String format, String label, Tally t) {
        return String.format(
                format,
                label,
                t.relations,
                t.pages,
                t.changed,
                t.mismatches,
                t.unsupported,
                t.skipped);
    }
}
