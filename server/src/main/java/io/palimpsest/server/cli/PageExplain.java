package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.Collected;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.ReadTrace;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import io.palimpsest.timeline.StoredTimeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Reads one page from a timeline's files and tells how. */
@Command(
        name = "explain",
        mixinStandardHelpOptions = true,
        description = {
            "Reads a page from a timeline's layer files and tells which layers were asked, in which order, what each gave, and what redo made of it.",
            "What a running server has in memory only is not seen: the newest LSN is that of the index."
        })
final class PageExplain implements Callable<Integer> {
    /** A layer that was asked, or the step to an ancestor. */
    private record Step(
            TimelineId timeline,
            @Nullable LayerDescriptor layer,
            boolean searched,
            int first,
            int values) {}

    @Spec CommandSpec spec = CommandSpec.create();

    @Parameters(index = "0", paramLabel = "TIMELINE-DIR")
    private Path directory = Path.of("");

    @Parameters(
            index = "1",
            paramLabel = "PAGE@LSN",
            description =
                    "spc/db/rel[_fsm|_vm|_init]/block or 36 hexadecimal digits of a key; then @ and an LSN such as 0/16B3748, or @latest.")
    private String asked = "";

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    private final List<Step> steps = new ArrayList<>();
    private final Reconstruction values = new Reconstruction();
    private final BlockCache cache = Place.cache();
    private Key key = Key.MIN;
    private long lsn;

    @Override
    public Integer call() {
        StoredTimeline timeline = Place.timeline(directory);
        parse(timeline);
        values.reset(key.hi(), key.mid(), key.lo(), lsn);
        values.trace(new Recorder());
        boolean complete = timeline.collect(values, cache) == Collected.COMPLETE;
        byte @Nullable [] page = null;
        String result =
                complete ? null : "no value that needs nothing below it: the page cannot be made";
        if (complete && Keys.isPage(key.hi())) {
            try {
                page = StoredPage.redo(timeline, values, cache);
            } catch (PageserverException e) {
                result = "redo failed: " + e.getMessage();
            }
        }
        if (page != null) {
            result = "page LSN %s, crc32c %08x".formatted(Lsn.toString(Page.lsn(page)), crc(page));
        } else if (result == null) {
            result = "content of " + (values.length(0) - 1) + " bytes";
        }
        result += past(timeline);
        if (json) {
            Output.json(out(), json(timeline, result, page));
        } else {
            print(timeline, result);
        }
        return complete && (page != null || !Keys.isPage(key.hi()))
                ? Palimpsest.DONE
                : Palimpsest.FAILED;
    }

    private void parse(StoredTimeline timeline) {
        int at = asked.indexOf('@');
        if (at < 0) {
            throw PageserverException.badRequest(
                    "'%s' has no '@': expected PAGE@LSN, such as 1663/5/16384/7@0/16B3748", asked);
        }
        KeyRange range = KeyText.parse(asked.substring(0, at));
        key = range.start();
        if (!range.end().equals(key.next())) {
            throw PageserverException.badRequest(
                    "'%s' names no block: expected spc/db/rel/block@LSN", asked);
        }
        lsn = StoredPage.lsn(timeline, asked.substring(at + 1));
    }

    /** A page past the relation's end reads as zeros, whatever is stored. */
    private String past(StoredTimeline timeline) {
        if (key.kind() != Keys.REL_BLOCK) {
            return "";
        }
        byte[] size = timeline.image(Keys.relationSize(Keys.relation(key)), lsn, cache);
        if (size == null) {
            return "; the relation does not exist at this LSN";
        }
        long blocks = Bytes.u32(size, 0);
        return Integer.toUnsignedLong(key.field6()) < blocks
                ? ""
                : "; past the relation's end (" + blocks + " blocks), a server answers zeros";
    }

    private static int crc(byte[] page) {
        CRC32C crc = new CRC32C();
        crc.update(page, 0, page.length);
        return (int) crc.getValue();
    }

    private final class Recorder implements ReadTrace {
        private TimelineId timeline = new TimelineId(0, 0);

        @Override
        public void timeline(TimelineId id, long belowLsn) {
            timeline = id;
            steps.add(new Step(id, null, false, values.count(), 0));
        }

        @Override
        public void memory(long startLsn, int found) {}

        @Override
        public void file(LayerDescriptor layer, boolean searched, int found) {
            steps.add(new Step(timeline, layer, searched, values.count() - found, found));
        }
    }

    private long asked(boolean searched) {
        return steps.stream().filter(s -> s.layer != null && (!searched || s.searched)).count();
    }

    private long valueBytes() {
        long bytes = 0;
        for (int i = 0; i < values.count(); i++) {
            bytes += values.length(i);
        }
        return bytes;
    }

    private void print(StoredTimeline timeline, String result) {
        PrintWriter out = out();
        out.println(
                KeyText.text(key) + " at " + Lsn.toString(lsn) + " of timeline " + timeline.id());
        if (Long.compareUnsigned(lsn, timeline.oldestReadableLsn()) < 0) {
            out.println(
                    "below the cutoff "
                            + Lsn.toString(timeline.oldestReadableLsn())
                            + ": a server answers only at leased LSNs and branch points");
        }
        for (Step s : steps) {
            LayerDescriptor layer = s.layer;
            if (layer == null) {
                out.println("timeline " + s.timeline);
                continue;
            }
            String gave =
                    !s.searched
                            ? "filter: not in it"
                            : s.values == 0
                                    ? "nothing"
                                    : s.values + (s.values == 1 ? " value" : " values");
            out.println("  " + layer.name() + "  " + Output.bytes(layer.size()) + "  " + gave);
            for (int i = s.first; i < s.first + s.values; i++) {
                out.println(
                        "    %-18s %7s  %s"
                                .formatted(
                                        Lsn.toString(values.lsn(i)),
                                        Output.bytes(values.length(i)),
                                        ValueText.text(
                                                key,
                                                values.bytes(),
                                                values.offset(i),
                                                values.length(i))));
            }
        }
        out.println(
                "%d layers asked, %d searched; %d values, %s"
                        .formatted(
                                asked(false),
                                asked(true),
                                values.count(),
                                Output.bytes(valueBytes())));
        out.println("result: " + result);
    }

    private ObjectNode json(StoredTimeline timeline, String result, byte @Nullable [] page) {
        ObjectNode o = Output.object();
        o.put("timeline", timeline.id().toString());
        o.put("key", key.toString());
        o.put("name", KeyText.text(key));
        o.put("lsn", Lsn.toString(lsn));
        ArrayNode list = o.putArray("layers");
        for (Step s : steps) {
            LayerDescriptor layer = s.layer;
            if (layer == null) {
                continue;
            }
            ObjectNode step = list.addObject();
            step.put("timeline", s.timeline.toString());
            step.put("name", layer.name().toString());
            step.put("bytes", layer.size());
            step.put("searched", s.searched);
            ArrayNode found = step.putArray("values");
            for (int i = s.first; i < s.first + s.values; i++) {
                found.addObject()
                        .put("lsn", Lsn.toString(values.lsn(i)))
                        .put("bytes", values.length(i))
                        .put("initial", StoredValue.isInitial(values.bytes(), values.offset(i)))
                        .put(
                                "value",
                                ValueText.text(
                                        key, values.bytes(), values.offset(i), values.length(i)));
            }
        }
        o.put("asked", asked(false));
        o.put("searched", asked(true));
        o.put("values", values.count());
        o.put("value_bytes", valueBytes());
        o.put("result", result);
        if (page != null) {
            o.put("page_lsn", Lsn.toString(Page.lsn(page)));
            o.put("page_crc32c", "%08x".formatted(crc(page)));
        }
        return o;
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }
}
