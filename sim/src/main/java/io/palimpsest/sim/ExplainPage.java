package io.palimpsest.sim;

import io.palimpsest.base.Lsn;
import io.palimpsest.sim.world.Fault;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Recording;
import io.palimpsest.sim.world.Recording.Mark;
import io.palimpsest.sim.world.Recording.Watermark;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One history as an HTML page that needs nothing else: a lane for each node, events and faults on
 * them in order of time, how far the nodes were with the WAL as curves, and where it failed.
 */
final class ExplainPage {
    private static final int LEFT = 150;
    private static final int WIDTH = 1300;
    private static final int LANE = 34;
    private static final int CURVES = 260;
    private static final int MOST_ROWS = 4000;

    /** What happens that often says little by itself. */
    private static final int OFTEN = 60;

    private static final List<String> COLOURS =
            List.of("#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b");

    private static final Pattern LSN = Pattern.compile("\\b([0-9A-F]{1,8})/([0-9A-F]{1,8})\\b");

    private final Outcome outcome;
    private final Recording recording;
    private final String failure;
    private final TimeScale scale;
    private final List<String> lanes;
    private final StringBuilder page = new StringBuilder();

    private ExplainPage(Outcome outcome) {
        this.outcome = outcome;
        recording = Objects.requireNonNull(outcome.recording(), "the run was not recorded");
        Outcome.Failure why = outcome.failure();
        failure = why == null ? "" : why.what();
        List<Long> moments = new ArrayList<>(List.of(outcome.nanos()));
        TreeSet<String> nodes = new TreeSet<>();
        for (Mark mark : recording.marks()) {
            moments.add(mark.nanos());
            nodes.add(mark.node());
        }
        for (Fault fault : outcome.faults()) {
            moments.add(fault.nanos());
            nodes.add(fault.where());
        }
        recording.watermarks().forEach(w -> moments.add(w.nanos()));
        scale = new TimeScale(moments, WIDTH);
        lanes = List.copyOf(nodes);
    }

    static String of(Outcome outcome) {
        return new ExplainPage(outcome).write();
    }

    private String write() {
        page.append(
                """
                <!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Simulated history</title>
                <style>
                body { font: 14px sans-serif; margin: 1.5em; color: #222 }
                .failed { color: #b00020; white-space: pre-wrap }
                svg text { font: 11px sans-serif; fill: #444 }
                table { border-collapse: collapse; font: 12px monospace }
                td { padding: 0 .8em 0 0; vertical-align: top; white-space: pre-wrap }
                .fault td { color: #b00020 }
                </style></head><body>
                """);
        line("<h1>%s, seed %d</h1>", escaped(outcome.scenario()), outcome.seed());
        if (failure.isEmpty()) {
            line("<p>It went well.</p>");
        } else {
            line("<p class=\"failed\">%s</p>", escaped(failure));
        }
        line(
                "<p>%.3f virtual seconds, %d steps, %d faults. Long waits are cut short. %s</p>",
                outcome.nanos() / 1e9,
                outcome.steps(),
                outcome.faults().size(),
                escaped(outcome.replay().strip()));
        drawLanes();
        drawCurves();
        tellFaults();
        tellEvents();
        return page.append("</body></html>\n").toString();
    }

    private void drawLanes() {
        line("<h2>What happened</h2>");
        int height = LANE * lanes.size() + 24;
        line("<svg width=\"%d\" height=\"%d\">", LEFT + WIDTH + 20, height);
        for (int i = 0; i < lanes.size(); i++) {
            int y = LANE * i + LANE / 2;
            line("<text x=\"4\" y=\"%d\">%s</text>", y + 4, escaped(lanes.get(i)));
            line(
                    "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>",
                    LEFT, y, LEFT + WIDTH, y);
        }
        TreeMap<String, Integer> counts = new TreeMap<>();
        recording.marks().forEach(mark -> counts.merge(mark.event(), 1, Integer::sum));
        for (Mark mark : recording.marks()) {
            double x = LEFT + scale.at(mark.nanos());
            int y = LANE * lanes.indexOf(mark.node()) + LANE / 2;
            String told =
                    escaped(seconds(mark.nanos()) + " " + mark.event() + ": " + mark.detail());
            if (mark.event().equals(Recording.POWER_LOST)) {
                line(
                        "<rect x=\"%.1f\" y=\"%d\" width=\"3\" height=\"%d\" fill=\"#000\"><title>%s</title></rect>",
                        x, y - LANE / 2 + 3, LANE - 6, told);
            } else {
                boolean often = counts.getOrDefault(mark.event(), 0) > OFTEN;
                line(
                        "<circle cx=\"%.1f\" cy=\"%d\" r=\"%s\" fill=\"%s\"><title>%s</title></circle>",
                        x, y, often ? "1.5" : "3", often ? "#aaa" : "#1f77b4", told);
            }
        }
        for (Fault fault : outcome.faults()) {
            double x = LEFT + scale.at(fault.nanos());
            int y = LANE * lanes.indexOf(fault.where()) + LANE / 2;
            line(
                    "<path d=\"M %.1f %d l -4 -10 h 8 z\" fill=\"#b00020\"><title>%s</title></path>",
                    x, y, escaped(seconds(fault.nanos()) + " " + fault.what()));
        }
        failedAt(height - 20);
        line(
                "<text x=\"%d\" y=\"%d\">&#9679; event  &#9660; fault (red)  &#9646; power lost; point at one to read it</text>",
                LEFT, height - 6);
        line("</svg>");
    }

    /** Where the history ends, if it failed. */
    private void failedAt(int height) {
        if (!failure.isEmpty()) {
            double x = LEFT + scale.at(outcome.nanos());
            line(
                    "<line x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"%d\" stroke=\"#b00020\" stroke-width=\"2\"><title>%s</title></line>",
                    x, x, height, escaped(failure));
        }
    }

    private void drawCurves() {
        if (recording.watermarks().isEmpty()) {
            return;
        }
        long low = Long.MAX_VALUE;
        long high = 0;
        Map<String, List<Watermark>> curves = new LinkedHashMap<>();
        TreeSet<String> names = new TreeSet<>();
        for (Watermark w : recording.watermarks()) {
            low = Math.min(low, w.lsn());
            high = Math.max(high, w.lsn());
            names.add(w.name());
            curves.computeIfAbsent(w.node() + ", " + w.name(), _ -> new ArrayList<>()).add(w);
        }
        List<String> legend = List.copyOf(names);
        line("<h2>How far they were</h2>");
        line("<svg width=\"%d\" height=\"%d\">", LEFT + WIDTH + 20, CURVES + 24);
        line("<text x=\"4\" y=\"12\">%s</text>", Lsn.toString(high));
        line("<text x=\"4\" y=\"%d\">%s</text>", CURVES, Lsn.toString(low));
        for (Map.Entry<String, List<Watermark>> curve : curves.entrySet()) {
            StringBuilder points = new StringBuilder();
            for (Watermark w : curve.getValue()) {
                points.append(
                        String.format(
                                Locale.ROOT,
                                "%.1f,%.1f ",
                                LEFT + scale.at(w.nanos()),
                                height(w.lsn(), low, high)));
            }
            String colour = colour(legend.indexOf(curve.getValue().getFirst().name()));
            line(
                    "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"><title>%s</title></polyline>",
                    points, colour, escaped(curve.getKey()));
        }
        for (int i = 0; i < legend.size(); i++) {
            line(
                    "<text x=\"%d\" y=\"%d\" style=\"fill:%s\">%s</text>",
                    LEFT + 130 * i, CURVES + 18, colour(i), escaped(legend.get(i)));
        }
        Matcher told = LSN.matcher(failure);
        if (told.find()) {
            long lsn = Long.parseLong(told.group(1), 16) << 32 | Long.parseLong(told.group(2), 16);
            if (lsn >= low && lsn <= high) {
                double y = height(lsn, low, high);
                line(
                        "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#b00020\" stroke-dasharray=\"6 4\"/><text x=\"%d\" y=\"%.1f\" style=\"fill:#b00020\">failed at %s</text>",
                        LEFT, y, LEFT + WIDTH, y, LEFT + 4, y - 3, told.group());
            }
        }
        failedAt(CURVES);
        line("</svg>");
    }

    private static double height(long lsn, long low, long high) {
        return CURVES - 4 - (CURVES - 12) * ((lsn - low) / Math.max(1.0, (double) (high - low)));
    }

    private static String colour(int i) {
        return COLOURS.get(i % COLOURS.size());
    }

    private void tellFaults() {
        line("<h2>Faults</h2><table>");
        for (Fault fault : outcome.faults()) {
            line(
                    "<tr class=\"fault\"><td>%d</td><td>%s</td><td>%s</td><td>%s</td></tr>",
                    fault.number(),
                    seconds(fault.nanos()),
                    escaped(fault.where()),
                    escaped(fault.what()));
        }
        line("</table>");
    }

    private void tellEvents() {
        List<Mark> marks = recording.marks();
        int from = Math.max(0, marks.size() - MOST_ROWS);
        line(
                "<h2>Events</h2><p>%s</p><table>",
                from == 0 ? "All of them." : "The last " + MOST_ROWS + " of " + marks.size() + ".");
        for (Mark mark : marks.subList(from, marks.size())) {
            line(
                    "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>",
                    seconds(mark.nanos()),
                    escaped(mark.node()),
                    escaped(mark.event()),
                    escaped(mark.detail()));
        }
        line("</table>");
    }

    private static String seconds(long nanos) {
        return String.format(Locale.ROOT, "%.6f s", nanos / 1e9);
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }

    private void line(String format, Object... arguments) {
        page.append(String.format(Locale.ROOT, format, arguments)).append('\n');
    }
}
