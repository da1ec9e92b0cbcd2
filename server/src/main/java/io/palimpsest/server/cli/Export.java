package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.connect.BackupClient;
import io.palimpsest.server.connect.Credentials;
import io.palimpsest.server.connect.UnpackedBackup;
import io.palimpsest.server.disk.NioDisk;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Writes a branch, as of any LSN or time, as a data directory or an archive of one. */
@Command(
        name = "export",
        mixinStandardHelpOptions = true,
        description = {
            "Writes a branch, as of any LSN or time, as a data directory of PostgreSQL, or as a tar archive of one.",
            "An unmodified PostgreSQL of the same major version starts from it, as after a shutdown.",
            "What is there already is never overwritten, and nothing is left of an export that fails."
        })
final class Export implements Callable<Integer> {
    private static final String PARTIAL = ".partial";

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private BranchOptions what = new BranchOptions();

    @ArgGroup(multiplicity = "1")
    private Target target = new Target();

    @Mixin private ServerOptions server = new ServerOptions();
    @Mixin private PageServiceOptions pageService = new PageServiceOptions();

    @Option(names = "--json", description = "Print one object.")
    private boolean json;

    /** One of the two. */
    static final class Target {
        @Option(
                names = "--to",
                paramLabel = "DIR",
                description =
                        "The data directory to make; tablespaces go to DIR.tablespaces, if there are any.")
        private @Nullable Path directory;

        @Option(names = "--tar", paramLabel = "FILE", description = "The archive to make.")
        private @Nullable Path archive;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        Path last = target.directory != null ? target.directory : target.archive;
        if (last == null) {
            throw new IllegalStateException("neither of the two");
        }
        last = last.toAbsolutePath();
        if (Files.exists(last) || Files.exists(tablespaces(last))) {
            throw PageserverException.badRequest("%s is there already", last);
        }
        if (what.absent()) {
            throw PageserverException.badRequest("export: name a branch");
        }
        try (ServerApi api = server.open()) {
            BranchPoint from = what.resolve(api);
            say("branch     %s", from.said());
            // A branch of its own keeps that LSN readable for as long as this takes.
            TimelineId branch = BranchPoint.newId();
            long begun = System.nanoTime();
            long bytes;
            try {
                JsonNode _ = from.branch(api, branch, null);
                bytes = write(from, branch, last);
            } finally {
                BranchPoint.delete(api, from.tenant(), branch);
            }
            print(from, last, bytes, (System.nanoTime() - begun) / 1e9);
        }
        return Palimpsest.DONE;
    }

    private long write(BranchPoint from, TimelineId branch, Path last) throws IOException {
        Path partial = last.resolveSibling(last.getFileName() + PARTIAL);
        boolean done = false;
        try {
            long bytes =
                    target.directory != null
                            ? unpack(from, branch, partial, tablespaces(last))
                            : archive(from, branch, partial);
            Files.move(partial, last, StandardCopyOption.ATOMIC_MOVE);
            done = true;
            return bytes;
        } finally {
            if (!done) {
                NioDisk beside = new NioDisk(Objects.requireNonNull(last.getParent()));
                beside.deleteTree(String.valueOf(partial.getFileName()));
                beside.deleteTree(String.valueOf(tablespaces(last).getFileName()));
            }
        }
    }

    private long unpack(BranchPoint from, TimelineId branch, Path partial, Path tablespaces) {
        try (UnpackedBackup backup = new UnpackedBackup(partial, tablespaces)) {
            stock(from, branch, backup::push);
            backup.finish();
            return backup.bytes();
        }
    }

    private long archive(BranchPoint from, TimelineId branch, Path partial) throws IOException {
        try (OutputStream out = Files.newOutputStream(partial, StandardOpenOption.CREATE_NEW)) {
            stock(
                    from,
                    branch,
                    (chunk, offset, length) -> {
                        try {
                            out.write(chunk, offset, length);
                        } catch (IOException e) {
                            throw new UncheckedIOException(e);
                        }
                    });
        }
        return Files.size(partial);
    }

    private void stock(BranchPoint from, TimelineId branch, BackupClient.Sink sink) {
        Progress progress = new Progress(spec.commandLine().getErr(), "exported");
        BackupClient.stock(
                pageService.address(),
                from.tenant(),
                branch,
                from.lsn(),
                Credentials.of(System.getenv()),
                (chunk, offset, length) -> {
                    sink.bytes(chunk, offset, length);
                    progress.bytes(length);
                });
    }

    private static Path tablespaces(Path last) {
        return last.resolveSibling(last.getFileName() + ".tablespaces");
    }

    private void print(BranchPoint from, Path last, long bytes, double seconds) {
        if (json) {
            ObjectNode o = Output.object();
            o.put("tenant_id", from.tenant().toString())
                    .put("timeline_id", from.timeline().toString())
                    .put("lsn", from.lsn())
                    .put("pg_version", from.major())
                    .put("path", last.toString())
                    .put("bytes", bytes)
                    .put("seconds", seconds);
            Output.json(spec.commandLine().getOut(), o);
            return;
        }
        say("exported   %s in %.1f s", Output.bytes(bytes), seconds);
        spec.commandLine().getOut().println(last);
    }

    private void say(String format, Object... arguments) {
        spec.commandLine().getErr().printf(Locale.ROOT, format + "%n", arguments);
        spec.commandLine().getErr().flush();
    }
}
