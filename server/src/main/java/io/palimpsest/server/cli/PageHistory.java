package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerCursor;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerName;
import io.palimpsest.timeline.StoredTimeline;
import io.palimpsest.value.StoredValue;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** All that a timeline's files have of one page. */
@Command(
        name = "history",
        mixinStandardHelpOptions = true,
        description = {
            "Lists what a timeline's layer files, and those of what it hangs on, have of one page, the newest first: images, and the records that changed it.",
            "At each of these LSNs the page was another one; page explain says how it is made, page diff what has changed. What is in a server's memory only is not seen."
        })
final class PageHistory implements Callable<Integer> {
    private record Version(
            long lsn,
            TimelineId timeline,
            LayerName layer,
            int bytes,
            boolean initial,
            String what) {}

    @Spec CommandSpec spec = CommandSpec.create();

    @Parameters(index = "0", paramLabel = "TIMELINE-DIR")
    private Path directory = Path.of("");

    @Parameters(
            index = "1",
            paramLabel = "PAGE",
            description = "spc/db/rel[_fsm|_vm|_init]/block or 36 hexadecimal digits of a key.")
    private String page = "";

    @Option(
            names = {"-n", "--limit"},
            paramLabel = "N",
            defaultValue = "100",
            description = "So many at most. Default: ${DEFAULT-VALUE}.")
    private int limit = 100;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    private final BlockCache cache = Place.cache();
    private final List<Version> versions = new ArrayList<>();

    @Override
    public Integer call() {
        if (limit < 1) {
            throw PageserverException.badRequest("--limit is %d, expected 1 or more", limit);
        }
        Key key = StoredPage.key(page);
        StoredTimeline timeline = Place.timeline(directory);
        Path beside = directory.toAbsolutePath().normalize().getParent();
        long below = -1L;
        for (StoredTimeline t = timeline; t != null; ) {
            collect(t, key, below);
            TimelineId ancestor = t.ancestor();
            // Up to where it branched off, and what is above there already counts no more.
            below = Long.compareUnsigned(t.ancestorLsn(), below) < 0 ? t.ancestorLsn() : below;
            t =
                    ancestor == null || beside == null
                            ? null
                            : Place.timeline(beside.resolve(ancestor.toString()));
        }
        versions.sort(
                Comparator.comparing(Version::lsn, Long::compareUnsigned)
                        .reversed()
                        .thenComparing(v -> v.layer.toString()));
        List<Version> shown = versions.subList(0, Math.min(limit, versions.size()));
        if (json) {
            Output.json(out(), json(timeline, key, shown));
        } else {
            print(key, shown);
        }
        return versions.isEmpty() ? Palimpsest.NOT_FOUND : Palimpsest.DONE;
    }

    private void collect(StoredTimeline timeline, Key key, long upTo) {
        KeyRange one = new KeyRange(key, key.next());
        for (LayerDescriptor layer : timeline.layers()) {
            if (!layer.name().keys().overlaps(one)) {
                continue;
            }
            try (LayerFile file = timeline.file(layer, cache)) {
                LayerCursor c = file.entries(one);
                while (c.next()) {
                    if (Long.compareUnsigned(c.lsn(), upTo) <= 0) {
                        versions.add(
                                new Version(
                                        c.lsn(),
                                        timeline.id(),
                                        layer.name(),
                                        c.length(),
                                        StoredValue.isInitial(c.bytes(), c.offset()),
                                        ValueText.text(key, c.bytes(), c.offset(), c.length())));
                    }
                }
            }
        }
    }

    private void print(Key key, List<Version> shown) {
        Output.Table table = new Output.Table("LSN", ">BYTES", "WHAT", "TIMELINE");
        for (Version v : shown) {
            table.row(
                    Lsn.toString(v.lsn),
                    Output.bytes(v.bytes),
                    v.what + (v.initial ? ", needs nothing below" : ""),
                    v.timeline);
        }
        out().println(KeyText.text(key));
        table.print(out());
        if (shown.size() < versions.size()) {
            spec.commandLine()
                    .getErr()
                    .println(
                            "and "
                                    + (versions.size() - shown.size())
                                    + " older ones; --limit shows them");
        }
    }

    private ObjectNode json(StoredTimeline timeline, Key key, List<Version> shown) {
        ObjectNode o = Output.object();
        o.put("timeline", timeline.id().toString());
        o.put("key", key.toString());
        o.put("name", KeyText.text(key));
        o.put("count", versions.size());
        ArrayNode list = o.putArray("versions");
        for (Version v : shown) {
            list.addObject()
                    .put("lsn", Lsn.toString(v.lsn))
                    .put("timeline", v.timeline.toString())
                    .put("layer", v.layer.toString())
                    .put("bytes", v.bytes)
                    .put("initial", v.initial)
                    .put("value", v.what);
        }
        return o;
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }
}
