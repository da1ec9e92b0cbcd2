package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.timeline.StoredTimeline;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Reads layer files whole and says which are damaged, and where. */
@Command(
        name = "check",
        mixinStandardHelpOptions = true,
        description = {
            "Reads layer files from end to end and checks everything in them: every checksum, the order of entries, index, filter and statistics.",
            "Of a timeline's directory, the files that its index names; also while a server uses it."
        })
final class LayerCheck implements Callable<Integer> {
    private static final long LINE_EVERY_NANOS = 10_000_000_000L;

    @Spec CommandSpec spec = CommandSpec.create();

    @Parameters(paramLabel = "FILE|TIMELINE-DIR", arity = "1..*")
    private List<Path> places = List.of();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    /** Does a person watch the standard error? */
    boolean terminal;

    /** A file to check: how to open it, and what to call it. */
    private record Job(String path, Supplier<LayerFile> open) {}

    private final List<Job> jobs = new ArrayList<>();
    private long lastLine = System.nanoTime();

    @Override
    public Integer call() {
        BlockCache cache = Place.cache();
        ObjectNode result = Output.object();
        ArrayNode damaged = result.putArray("damaged");
        for (Path p : places) {
            try {
                add(p, cache);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.CORRUPTION) {
                    throw e;
                }
                damaged(damaged, p.toString(), e);
            }
        }
        long bytes = 0;
        for (int i = 0; i < jobs.size(); i++) {
            Job job = jobs.get(i);
            progress(i, bytes);
            try (LayerFile file = job.open.get()) {
                bytes += file.size();
                file.verify();
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.CORRUPTION) {
                    throw e;
                }
                damaged(damaged, job.path, e);
            }
        }
        if (terminal) {
            err().print("\r\u001B[K");
            err().flush();
        }
        if (json) {
            result.put("files", jobs.size());
            result.put("bytes", bytes);
            Output.json(spec.commandLine().getOut(), result);
        } else {
            spec.commandLine()
                    .getOut()
                    .println(
                            "checked %s files, %s: %s"
                                    .formatted(
                                            Output.number(jobs.size()),
                                            Output.bytes(bytes),
                                            damaged.isEmpty()
                                                    ? "good"
                                                    : damaged.size() + " damaged"));
        }
        return damaged.isEmpty() ? Palimpsest.DONE : Palimpsest.CORRUPT;
    }

    private void add(Path p, BlockCache cache) {
        if (!Files.isDirectory(p)) {
            Place place = Place.of(p);
            jobs.add(new Job(p.toString(), () -> place.layer(cache)));
            return;
        }
        StoredTimeline timeline = Place.timeline(p);
        for (LayerDescriptor layer : timeline.layers()) {
            jobs.add(
                    new Job(
                            p.resolve(layer.name().toString()).toString(),
                            () -> timeline.file(layer, cache)));
        }
    }

    private void damaged(ArrayNode list, String path, PageserverException e) {
        list.addObject().put("path", path).put("error", String.valueOf(e.getMessage()));
        if (!json) {
            spec.commandLine().getOut().println(path + ": DAMAGED: " + e.getMessage());
        }
    }

    private void progress(int done, long bytes) {
        long now = System.nanoTime();
        if (terminal || now - lastLine >= LINE_EVERY_NANOS) {
            lastLine = now;
            err().print(
                            "%s%d of %d files, %s%s"
                                    .formatted(
                                            terminal ? "\r\u001B[K" : "",
                                            done,
                                            jobs.size(),
                                            Output.bytes(bytes),
                                            terminal ? "" : "\n"));
            err().flush();
        }
    }

    private PrintWriter err() {
        return spec.commandLine().getErr();
    }
}
