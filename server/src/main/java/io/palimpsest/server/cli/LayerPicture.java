package io.palimpsest.server.cli;

import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerName;
import io.palimpsest.timeline.Lease;
import io.palimpsest.timeline.StoredTimeline;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * A timeline's layers as an SVG: keys across, LSNs up; deltas are boxes, images lines, and what
 * keeps history (cutoff, branch points, leases) lines across all of it. The same timeline gives the
 * same bytes.
 */
final class LayerPicture {
    private static final int WIDTH = 1600;
    private static final int LEFT = 130;
    private static final int RIGHT = 1330;
    private static final int TOP = 120;
    private static final int HEIGHT = 560;
    private static final int BAND = 26;
    private static final int BOTTOM = TOP + BAND + HEIGHT;
    private static final int LABEL_STEP = 17;

    /** A line across the picture, and what it says at its right end. */
    private record Mark(long lsn, String style, String text, String tip) {}

    private final StoredTimeline timeline;
    private final List<LayerMap.Drawn> layers;
    private final KeyAxis keys;
    private final LsnAxis lsns;
    private final StringBuilder s = new StringBuilder();

    LayerPicture(StoredTimeline timeline, List<LayerMap.Drawn> layers) {
        this.timeline = timeline;
        this.layers = layers;
        keys = new KeyAxis(layers.stream().map(d -> d.layer().name().keys()).toList());
        List<Long> marks = new ArrayList<>();
        for (LayerMap.Drawn d : layers) {
            LayerName name = d.layer().name();
            marks.add(name.startLsn());
            if (!name.image()) {
                marks.add(name.endLsn());
            }
        }
        marks.add(timeline.diskConsistentLsn() + 1);
        marks.add(
                timeline.ancestor() == null
                        ? timeline.oldestReadableLsn()
                        : timeline.ancestorLsn());
        lsns = new LsnAxis(marks);
    }

    String svg() {
        frame();
        cutoff();
        layers("history", "L1", "L0");
        marks();
        layers("partial", "image");
        keyLabels();
        lsnLabels();
        legend();
        s.append("</svg>\n");
        return s.toString();
    }

    private void layers(String... levels) {
        for (String level : levels) {
            for (LayerMap.Drawn d : layers) {
                if (d.level(timeline.oldestReadableLsn()).equals(level)) {
                    layer(d, level);
                }
            }
        }
    }

    private void frame() {
        int height = BOTTOM + 150;
        add(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">",
                WIDTH, height, WIDTH, height);
        s.append(
                """
                <style>
                  text { font-family: "DejaVu Sans", "Segoe UI", Helvetica, Arial, sans-serif; font-size: 12px; fill: #4a4f57; }
                  .title { font-size: 21px; font-weight: 600; fill: #22262b; }
                  .sub { font-size: 13px; fill: #6b717a; }
                  .lsn { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 11px; fill: #6b717a; }
                  .axis { fill: #22262b; font-size: 13px; }
                  .L0 { fill: #e8a33d; fill-opacity: .62; stroke: #b97a17; stroke-width: 1; }
                  .L1 { fill: #4b86c6; fill-opacity: .55; stroke: #2c5f98; stroke-width: 1; }
                  .history { fill: #9a86bd; fill-opacity: .45; stroke: #6c568f; stroke-width: 1; }
                  .image { stroke: #16855b; stroke-width: 4.5; }
                  .partial { stroke: #16855b; stroke-width: 3; stroke-dasharray: 7 3; stroke-opacity: .75; }
                  .layer:hover { fill-opacity: .95; stroke-width: 2.5; }
                  .cutoff { stroke: #c8372d; stroke-width: 2; stroke-dasharray: 9 5; }
                  .branch { stroke: #7b3fa0; stroke-width: 1.6; }
                  .lease { stroke: #0f8b95; stroke-width: 1.6; stroke-dasharray: 2 4; }
                  .disk { stroke: #22262b; stroke-width: 1.6; }
                  .t-cutoff { fill: #a62a21; } .t-branch { fill: #67318a; } .t-lease { fill: #0b6e77; } .t-disk { fill: #22262b; }
                  .grid { stroke: #dfdcd3; stroke-width: 1; }
                  .lead { stroke: #b9b6ad; stroke-width: 1; fill: none; }
                </style>
                <defs>
                  <pattern id="gone" width="9" height="9" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="9" stroke="#c8372d" stroke-opacity=".17" stroke-width="2.5"/></pattern>
                  <pattern id="memory" width="8" height="8" patternUnits="userSpaceOnUse"><circle cx="2" cy="2" r="1.1" fill="#b97a17" fill-opacity=".45"/></pattern>
                </defs>
                """);
        add(
                "<rect x=\"0\" y=\"0\" width=\"%d\" height=\"%d\" rx=\"14\" fill=\"#fbfaf6\"/>",
                WIDTH, height);
        long bytes = layers.stream().mapToLong(d -> d.layer().size()).sum();
        text(LEFT, 46, "title", "start", "Layers of timeline " + timeline.id());
        TimelineId ancestor = timeline.ancestor();
        text(
                LEFT,
                70,
                "sub",
                "start",
                "tenant %s  ·  %s  ·  %s on disk  ·  %s"
                        .formatted(
                                timeline.tenant(),
                                layers.size() == 1
                                        ? "1 layer"
                                        : Output.number(layers.size()) + " layers",
                                Output.bytes(bytes),
                                ancestor == null
                                        ? "no ancestor"
                                        : "branch of "
                                                + ancestor
                                                + " at "
                                                + Lsn.toString(timeline.ancestorLsn())));
        add(
                "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#ffffff\" stroke=\"#cfccc3\"/>",
                LEFT, TOP, RIGHT - LEFT, BAND + HEIGHT);
        add(
                "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"url(#memory)\"><title>Above %s: in a server's memory, in no layer file</title></rect>",
                LEFT, TOP, RIGHT - LEFT, BAND, Lsn.toString(timeline.diskConsistentLsn()));
        text((LEFT + RIGHT) / 2, TOP + 17, "sub", "middle", "newer: in memory, in no file yet");
        s.append("<text class=\"axis\" text-anchor=\"middle\" transform=\"translate(26 ")
                .append((TOP + BOTTOM) / 2)
                .append(") rotate(-90)\">LSN →</text>\n");
    }

    private double x(double at) {
        return LEFT + 6 + at * (RIGHT - LEFT - 12);
    }

    private double y(long lsn) {
        return BOTTOM - 8 - lsns.at(lsn) * (HEIGHT - 8);
    }

    private void cutoff() {
        double y = y(timeline.oldestReadableLsn());
        if (BOTTOM - y > 9) {
            add(
                    "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" fill=\"url(#gone)\"/>",
                    LEFT, y, RIGHT - LEFT, BOTTOM - y);
        }
    }

    private void layer(LayerMap.Drawn d, String level) {
        LayerName name = d.layer().name();
        boolean all = name.keys().equals(KeyRange.ALL);
        double from = all ? LEFT + 1 : x(keys.at(name.keys().start()));
        double to = all ? RIGHT - 1 : Math.max(from + 2, x(keys.end(name.keys().end())));
        String tip =
                "%s: %s\\n%s\\n%s\\n%s%s"
                        .formatted(
                                level,
                                name,
                                KeyText.text(name.keys()),
                                name.image()
                                        ? "at " + Lsn.toString(name.startLsn())
                                        : Output.lsns(name.lsns()),
                                Output.bytes(d.layer().size()),
                                d.entries() < 0
                                        ? ""
                                        : ", " + Output.number(d.entries()) + " entries")
                        .replace("\\n", "\n");
        if (name.image()) {
            add(
                    "<line class=\"layer %s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"><title>%s</title></line>",
                    level, from + 1, y(name.startLsn()), to - 1, y(name.startLsn()), escape(tip));
            return;
        }
        double top = y(name.endLsn());
        double height = Math.max(2, y(name.startLsn()) - top);
        add(
                "<rect class=\"layer %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\"><title>%s</title></rect>",
                level,
                from + .5,
                top + .5,
                Math.max(1, to - from - 1),
                Math.max(1, height - 1),
                escape(tip));
    }

    private void marks() {
        List<Mark> marks = new ArrayList<>();
        marks.add(
                new Mark(
                        timeline.diskConsistentLsn(),
                        "disk",
                        "on disk up to " + Lsn.toString(timeline.diskConsistentLsn()),
                        "Everything up to here is in layer files"));
        marks.add(
                new Mark(
                        timeline.oldestReadableLsn(),
                        "cutoff",
                        "cutoff " + Lsn.toString(timeline.oldestReadableLsn()),
                        "Below, only branch points and leased LSNs can be read"));
        for (StoredTimeline.Branch b : timeline.branches()) {
            marks.add(
                    new Mark(
                            b.lsn(),
                            "branch",
                            "branch "
                                    + b.timeline().toString().substring(0, 8)
                                    + "… "
                                    + Lsn.toString(b.lsn()),
                            "Branch " + b.timeline() + " at " + Lsn.toString(b.lsn())));
        }
        for (Lease l : timeline.leases()) {
            marks.add(
                    new Mark(
                            l.lsn(),
                            "lease",
                            "lease " + Lsn.toString(l.lsn()),
                            "Lease of " + Lsn.toString(l.lsn())));
        }
        marks.sort(Comparator.comparing(Mark::lsn, (a, b) -> Long.compareUnsigned(b, a)));
        double free = TOP + BAND;
        for (Mark m : marks) {
            double y = y(m.lsn);
            double label = Math.max(y, free);
            free = label + LABEL_STEP;
            add(
                    "<g><title>%s</title><line class=\"%s\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>",
                    escape(m.tip), m.style, LEFT, y, RIGHT, y);
            add(
                    "<path class=\"lead\" d=\"M%d %.1f L%d %.1f L%d %.1f\"/>",
                    RIGHT, y, RIGHT + 12, label, RIGHT + 20, label);
            text(RIGHT + 24, label + 4, "t-" + m.style, "start", m.text);
            s.append("</g>\n");
        }
    }

    private void keyLabels() {
        double free = 0;
        for (KeyAxis.Label l : keys.labels()) {
            double x = x(l.at());
            add(
                    "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>",
                    x, BOTTOM, x, BOTTOM + 7);
            if (x >= free) {
                add(
                        "<text class=\"lsn\" transform=\"translate(%.1f %d) rotate(28)\">%s</text>",
                        x + 1, BOTTOM + 17, escape(l.text()));
                free = x + 26;
            }
        }
        text(
                (LEFT + RIGHT) / 2,
                BOTTOM + 105,
                "axis",
                "middle",
                "keys → (only where layers lie; not to scale)");
    }

    private void lsnLabels() {
        double free = Double.MAX_VALUE;
        for (long lsn : lsns.marks()) {
            double y = y(lsn);
            if (y <= free) {
                add(
                        "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>",
                        LEFT - 6, y, LEFT, y);
                text(LEFT - 10, y + 4, "lsn", "end", Lsn.toString(lsn));
                free = y - 14;
            }
        }
    }

    private void legend() {
        int y = BOTTOM + 130;
        double x = LEFT;
        for (String[] entry :
                new String[][] {
                    {"L0", "L0 delta: as flushed, all keys"},
                    {"L1", "L1 delta"},
                    {"history", "delta below the cutoff"},
                    {"image", "image, complete"},
                    {"partial", "image, partial"},
                    {"cutoff", "cutoff"},
                    {"branch", "branch point"},
                    {"lease", "lease"}
                }) {
            String style = entry[0];
            boolean box = style.equals("L0") || style.equals("L1") || style.equals("history");
            if (box) {
                add(
                        "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"22\" height=\"12\" rx=\"2\"/>",
                        style, x, y - 10);
            } else {
                add(
                        "<line class=\"%s\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>",
                        style, x, y - 4, x + 22, y - 4);
            }
            text(x + 29, y, "", "start", entry[1]);
            x += 29 + 7.0 * entry[1].length() + 24;
        }
    }

    private void text(double x, double y, String style, String anchor, String text) {
        add(
                "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>",
                style, x, y, anchor, escape(text));
    }

    private void add(String format, Object... args) {
        s.append(String.format(Locale.ROOT, format, args)).append('\n');
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }
}
