package io.palimpsest.regress.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.regress.storage.Report.Row;
import org.junit.jupiter.api.Test;

class ReportTest {
    private static Row row(double ours, double peer) {
        Row row = new Row();
        row.add(ours, peer);
        return row;
    }

    @Test
    void theTableEndsWithTheGoalsThatAreNotMet() {
        Report report = new Report(_ -> {});
        report.rate("fast", "a peer", "pages/s", row(7, 10), Goal.atLeast(0.6), "");
        report.cost("dear", "a peer", "ns", row(40, 10), Goal.atMost(3), "");
        report.cost("told", "a peer", "us", row(40, 10), null, "");
        assertTrue(
                report.text()
                        .endsWith("\n1 of 2 goals met; not met:\n    dear: 4.000, wanted <= 3\n"),
                report.text());
    }

    @Test
    void nothingIsMissedWhereAllIsMet() {
        Report report = new Report(_ -> {});
        report.rate("fast", "a peer", "pages/s", row(7, 10), Goal.atLeast(0.6), "");
        assertEquals("1 of 1 goals met\n", report.goals());
    }
}
