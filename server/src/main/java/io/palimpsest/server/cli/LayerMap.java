package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.timeline.StoredTimeline;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Draws a timeline's layers: keys across, LSNs up. */
@Command(
        name = "map",
        mixinStandardHelpOptions = true,
        description = {
            "Draws a timeline's layers from its index: keys across, LSNs up. As text, as a picture (--svg), or as data (--json).",
            "Layers in a running server's memory are not seen."
        })
final class LayerMap implements Callable<Integer> {
    private static final int BAR = 48;

    @Spec CommandSpec spec = CommandSpec.create();

    @Parameters(paramLabel = "TIMELINE-DIR")
    private Path directory = Path.of("");

    @Option(names = "--svg", paramLabel = "FILE", description = "Write a picture.")
    private @Nullable Path svg;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    /** A layer, and the number of its entries, or -1 if its file cannot be read. */
    record Drawn(LayerDescriptor layer, long entries) {
        /** The word for its level. */
        String level(long cutoff) {
            if (layer.name().image()) {
                return layer.complete() ? "image" : "partial";
            }
            if (layer.name().isL0()) {
                return "L0";
            }
            return Long.compareUnsigned(layer.name().endLsn(), cutoff + 1) <= 0 ? "history" : "L1";
        }
    }

    @Override
    public Integer call() {
        StoredTimeline timeline = Place.timeline(directory);
        List<Drawn> layers = new ArrayList<>();
        BlockCache cache = Place.cache();
        for (LayerDescriptor l : timeline.layers()) {
            layers.add(new Drawn(l, entries(timeline, l, cache)));
        }
        layers.sort(
                Comparator.comparing(
                                (Drawn d) -> d.layer.name().endLsn(),
                                (a, b) -> Long.compareUnsigned(b, a))
                        .thenComparing(d -> d.layer.name().keys().start())
                        .thenComparing(d -> d.layer.name().toString()));
        PrintWriter out = spec.commandLine().getOut();
        Path picture = svg;
        if (picture != null) {
            try {
                Files.writeString(picture, new LayerPicture(timeline, layers).svg());
            } catch (IOException e) {
                spec.commandLine().getErr().println("palimpsest: " + picture + ": " + e);
                return Palimpsest.FAILED;
            }
        }
        if (json) {
            Output.json(out, json(timeline, layers));
        } else if (picture == null) {
            print(timeline, layers);
        }
        return Palimpsest.DONE;
    }

    private static long entries(StoredTimeline timeline, LayerDescriptor layer, BlockCache cache) {
        try (LayerFile file = timeline.file(layer, cache)) {
            return file.statistics().entries();
        } catch (PageserverException e) {
            return -1;
        }
    }

    private void print(StoredTimeline timeline, List<Drawn> layers) {
        PrintWriter out = spec.commandLine().getOut();
        out.println("timeline " + timeline.id() + " of tenant " + timeline.tenant());
        TimelineId ancestor = timeline.ancestor();
        if (ancestor != null) {
            out.println("branched off " + ancestor + " at " + Lsn.toString(timeline.ancestorLsn()));
        }
        out.println(
                "readable from "
                        + Lsn.toString(timeline.oldestReadableLsn())
                        + ", on disk up to "
                        + Lsn.toString(timeline.diskConsistentLsn()));
        timeline.branches()
                .forEach(b ->
                        out.println("branch " + b.timeline() + " at " + Lsn.toString(b.lsn())));
        timeline.leases().forEach(l -> out.println("lease at " + Lsn.toString(l.lsn())));
        out.println();
        KeyAxis keys = new KeyAxis(layers.stream().map(d -> d.layer.name().keys()).toList());
        Output.Table t = new Output.Table("level", "LSNs", ">size", ">entries", "keys");
        for (Drawn d : layers) {
            t.row(
                    d.level(timeline.oldestReadableLsn()),
                    d.layer.name().image()
                            ? Lsn.toString(d.layer.name().startLsn())
                            : Output.lsns(d.layer.name().lsns()),
                    Output.bytes(d.layer.size()),
                    d.entries < 0 ? "?" : Output.number(d.entries),
                    "|" + bar(keys, d.layer.name().keys(), d.layer.name().image()) + "|");
        }
        t.print(out);
        out.println();
        out.println(
                "%d layers, %s"
                        .formatted(
                                layers.size(),
                                Output.bytes(
                                        layers.stream().mapToLong(d -> d.layer.size()).sum())));
    }

    private static String bar(KeyAxis axis, KeyRange keys, boolean image) {
        boolean all = keys.equals(KeyRange.ALL);
        int from = all ? 0 : Math.min(BAR - 1, (int) (axis.at(keys.start()) * BAR));
        int to = all ? BAR : Math.max(from + 1, (int) Math.round(axis.end(keys.end()) * BAR));
        return " ".repeat(from) + (image ? "=" : "#").repeat(to - from) + " ".repeat(BAR - to);
    }

    private static ObjectNode json(StoredTimeline timeline, List<Drawn> layers) {
        ObjectNode o = Output.object();
        o.put("tenant", timeline.tenant().toString());
        o.put("timeline", timeline.id().toString());
        TimelineId ancestor = timeline.ancestor();
        if (ancestor != null) {
            o.put("ancestor", ancestor.toString());
            o.put("ancestor_lsn", Lsn.toString(timeline.ancestorLsn()));
        }
        o.put("oldest_readable_lsn", Lsn.toString(timeline.oldestReadableLsn()));
        o.put("disk_consistent_lsn", Lsn.toString(timeline.diskConsistentLsn()));
        ArrayNode branches = o.putArray("branches");
        timeline.branches()
                .forEach(b ->
                        branches.addObject()
                                .put("timeline", b.timeline().toString())
                                .put("lsn", Lsn.toString(b.lsn())));
        ArrayNode leases = o.putArray("leases");
        timeline.leases().forEach(l -> leases.add(Lsn.toString(l.lsn())));
        ArrayNode list = o.putArray("layers");
        for (Drawn d : layers) {
            ObjectNode layer = list.addObject();
            layer.put("name", d.layer.name().toString());
            layer.put("level", d.level(timeline.oldestReadableLsn()));
            layer.put("bytes", d.layer.size());
            if (d.entries >= 0) {
                layer.put("entries", d.entries);
            }
            layer.put("key_start", d.layer.name().keys().start().toString());
            layer.put("key_end", d.layer.name().keys().end().toString());
            layer.put("lsn_start", Lsn.toString(d.layer.name().startLsn()));
            layer.put("lsn_end", Lsn.toString(d.layer.name().endLsn()));
        }
        return o;
    }
}
