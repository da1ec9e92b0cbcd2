package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.layer.LayerCursor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerStatistics;
import io.palimpsest.value.StoredValue;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says what is in one layer file. */
@Command(
        name = "dump",
        mixinStandardHelpOptions = true,
        description = "Shows what a layer file is, and, if asked, every entry in it.")
final class LayerDump implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Parameters(paramLabel = "FILE")
    private Path file = Path.of("");

    @Option(names = "--entries", description = "List all entries.")
    private boolean entries;

    @Option(
            names = "--key",
            paramLabel = "KEY",
            description =
                    "List the entries of one key, or of a relation's fork: spc/db/rel[_fsm|_vm|_init][/block], or 36 hexadecimal digits.")
    private @Nullable String key;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        KeyRange keys = key == null ? KeyRange.ALL : KeyText.parse(key);
        try (LayerFile layer = Place.of(file).layer(Place.cache())) {
            if (json) {
                ObjectNode o = json(layer);
                if (entries || key != null) {
                    entries(layer, keys, o.putArray("entries"));
                }
                Output.json(out(), o);
            } else {
                facts(layer);
                if (entries || key != null) {
                    out().println();
                    entries(layer, keys);
                }
            }
        }
        return Palimpsest.DONE;
    }

    private static String kind(LayerFile layer) {
        if (!layer.image()) {
            return layer.name().isL0() ? "delta, L0" : "delta";
        }
        return layer.complete() ? "image, complete" : "image, partial";
    }

    private void facts(LayerFile layer) {
        LayerStatistics s = layer.statistics();
        Output.Table t = new Output.Table("layer", layer.name().toString());
        t.row("kind", kind(layer));
        t.row("written by", "tenant " + layer.tenant() + ", timeline " + layer.timeline());
        t.row("keys", KeyText.text(layer.keys()));
        t.row("LSNs", Output.lsns(layer.lsns()));
        t.row("file", Output.bytes(layer.size()));
        t.row(
                "data",
                "%s of values, %s in blocks before compression"
                        .formatted(Output.bytes(s.valueBytes()), Output.bytes(s.blockBytes())));
        t.row(
                "entries",
                "%s under %s keys, at most %s under one"
                        .formatted(
                                Output.number(s.entries()),
                                Output.number(s.keys()),
                                Output.number(s.deepest())));
        t.row(
                "values",
                "%s images (%s tombstones), %s records and other changes; %s need nothing below"
                        .formatted(
                                Output.number(s.images()),
                                Output.number(s.tombstones()),
                                Output.number(s.deltas()),
                                Output.number(s.initials())));
        if (s.entries() > 0) {
            t.row("first key", KeyText.text(s.firstKey()));
            t.row("last key", KeyText.text(s.lastKey()));
            t.row("LSNs found", Lsn.toString(s.minLsn()) + " to " + Lsn.toString(s.maxLsn()));
        }
        t.print(out());
    }

    private static ObjectNode json(LayerFile layer) {
        LayerStatistics s = layer.statistics();
        ObjectNode o = Output.object();
        o.put("name", layer.name().toString());
        o.put("image", layer.image());
        o.put("complete", layer.complete());
        o.put("tenant", layer.tenant().toString());
        o.put("timeline", layer.timeline().toString());
        o.put("key_start", layer.keys().start().toString());
        o.put("key_end", layer.keys().end().toString());
        o.put("lsn_start", Lsn.toString(layer.startLsn()));
        o.put("lsn_end", Lsn.toString(layer.endLsn()));
        o.put("bytes", layer.size());
        o.putObject("statistics")
                .put("entries", s.entries())
                .put("keys", s.keys())
                .put("images", s.images())
                .put("deltas", s.deltas())
                .put("initials", s.initials())
                .put("tombstones", s.tombstones())
                .put("deepest", s.deepest())
                .put("value_bytes", s.valueBytes())
                .put("block_bytes", s.blockBytes())
                .put("first_key", s.firstKey().toString())
                .put("last_key", s.lastKey().toString())
                .put("min_lsn", Lsn.toString(s.minLsn()))
                .put("max_lsn", Lsn.toString(s.maxLsn()));
        return o;
    }

    private void entries(LayerFile layer, KeyRange keys) {
        Output.Table t = new Output.Table("key", "LSN", ">bytes", "value");
        LayerCursor c = layer.entries(keys);
        while (c.next()) {
            Key at = new Key(c.hi(), c.mid(), c.lo());
            t.row(
                    KeyText.text(at),
                    Lsn.toString(c.lsn()),
                    c.length(),
                    ValueText.text(at, c.bytes(), c.offset(), c.length()));
        }
        t.print(out());
    }

    private static void entries(LayerFile layer, KeyRange keys, ArrayNode list) {
        LayerCursor c = layer.entries(keys);
        while (c.next()) {
            Key at = new Key(c.hi(), c.mid(), c.lo());
            list.addObject()
                    .put("key", at.toString())
                    .put("lsn", Lsn.toString(c.lsn()))
                    .put("bytes", c.length())
                    .put("initial", StoredValue.isInitial(c.bytes(), c.offset()))
                    .put("value", ValueText.text(at, c.bytes(), c.offset(), c.length()));
        }
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }
}
