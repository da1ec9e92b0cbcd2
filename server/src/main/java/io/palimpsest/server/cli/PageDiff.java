package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Key;
import io.palimpsest.base.Lsn;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.pg.Page;
import io.palimpsest.timeline.StoredTimeline;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** In which bytes a page differs from what it was. */
@Command(
        name = "diff",
        mixinStandardHelpOptions = true,
        description = {
            "Says in which bytes a page of a timeline's files differs at two LSNs, and in which part of the page these are.",
            "Page contents are shown: they may be anybody's data. page history lists the LSNs at which it changed."
        })
final class PageDiff implements Callable<Integer> {
    /** Equal bytes between two that differ that do not end a difference. */
    private static final int GAP = 4;

    private static final int SHOWN = 24;

    private record Difference(int offset, int length, String part) {}

    @Spec CommandSpec spec = CommandSpec.create();

    @Parameters(index = "0", paramLabel = "TIMELINE-DIR")
    private Path directory = Path.of("");

    @Parameters(
            index = "1",
            paramLabel = "PAGE",
            description = "spc/db/rel[_fsm|_vm|_init]/block or 36 hexadecimal digits of a key.")
    private String page = "";

    @Parameters(index = "2", paramLabel = "LSN", description = "As of when, or latest.")
    private String first = "";

    @Parameters(index = "3", paramLabel = "LSN", description = "And as of when, or latest.")
    private String second = "";

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        Key key = StoredPage.key(page);
        StoredTimeline timeline = Place.timeline(directory);
        BlockCache cache = Place.cache();
        long from = StoredPage.lsn(timeline, first);
        long to = StoredPage.lsn(timeline, second);
        byte[] before = StoredPage.read(timeline, key, from, cache);
        byte[] after = StoredPage.read(timeline, key, to, cache);
        List<Difference> differences = differences(before, after);
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            ObjectNode o = Output.object();
            o.put("key", key.toString()).put("name", KeyText.text(key));
            o.put("from_lsn", Lsn.toString(from)).put("to_lsn", Lsn.toString(to));
            o.put("from_page_lsn", Lsn.toString(Page.lsn(before)));
            o.put("to_page_lsn", Lsn.toString(Page.lsn(after)));
            ArrayNode list = o.putArray("differences");
            for (Difference d : differences) {
                list.addObject()
                        .put("offset", d.offset)
                        .put("length", d.length)
                        .put("part", d.part)
                        .put("from", hex(before, d.offset, d.length))
                        .put("to", hex(after, d.offset, d.length));
            }
            Output.json(out, o);
            return Palimpsest.DONE;
        }
        out.println(
                "%s: page LSN %s at %s, %s at %s"
                        .formatted(
                                KeyText.text(key),
                                Lsn.toString(Page.lsn(before)),
                                Lsn.toString(from),
                                Lsn.toString(Page.lsn(after)),
                                Lsn.toString(to)));
        Output.Table table = new Output.Table(">OFFSET", ">BYTES", "PART", "FROM", "TO");
        for (Difference d : differences) {
            table.row(d.offset, d.length, d.part, shown(before, d), shown(after, d));
        }
        table.print(out);
        int bytes = differences.stream().mapToInt(Difference::length).sum();
        out.println(differences.isEmpty() ? "the same" : bytes + " bytes differ, about");
        return Palimpsest.DONE;
    }

    private static List<Difference> differences(byte[] a, byte[] b) {
        List<Difference> all = new ArrayList<>();
        int at = 0;
        while (at < Page.SIZE) {
            if (a[at] == b[at]) {
                at++;
                continue;
            }
            String part = part(b, at);
            int last = at;
            for (int i = at; i < Page.SIZE && i <= last + GAP && part(b, i).equals(part); i++) {
                last = a[i] == b[i] ? last : i;
            }
            all.add(new Difference(at, last - at + 1, part));
            at = last + 1;
        }
        return all;
    }

    /** Where in the page that is, as the second one is laid out; of one that is not, only where. */
    private static String part(byte[] page, int at) {
        int lower = Page.lower(page);
        int upper = Page.upper(page);
        int special = Page.special(page);
        if (at < 8) {
            return "page LSN";
        }
        if (at < 10) {
            return "checksum";
        }
        if (at < Page.HEADER) {
            return "header";
        }
        if (lower < Page.HEADER || upper < lower || special < upper || special > Page.SIZE) {
            return "content";
        }
        return at < lower
                ? "line pointers"
                : at < upper ? "free space" : at < special ? "items" : "special space";
    }

    private static String shown(byte[] page, Difference d) {
        return hex(page, d.offset, Math.min(d.length, SHOWN)) + (d.length > SHOWN ? "..." : "");
    }

    private static String hex(byte[] page, int offset, int length) {
        return HexFormat.of().formatHex(page, offset, offset + length);
    }
}
