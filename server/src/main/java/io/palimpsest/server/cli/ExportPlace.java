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
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/** Where a branch is written, as a data directory or as an archive of one. */
final class ExportPlace {
    private static final String PARTIAL = ".partial";

    private final Path last;
    private final boolean archive;
    private final PageServiceOptions pageService;
    private final PrintWriter err;
    private final boolean json;

    /**
     * @param archive a tar archive, not a directory
     * @param json progress is told as JSON
     */
    ExportPlace(
            Path place,
            boolean archive,
            PageServiceOptions pageService,
            PrintWriter err,
            boolean json) {
        this.last = place.toAbsolutePath();
        this.archive = archive;
        this.pageService = pageService;
        this.err = err;
        this.json = json;
    }

    Path path() {
        return last;
    }

    /**
     * Nothing is overwritten.
     *
     * @throws PageserverException BAD_REQUEST
     */
    void checkFree() {
        if (Files.exists(last) || Files.exists(tablespaces())) {
            throw PageserverException.badRequest("%s is there already", last);
        }
    }

    /** Writes it; returns how many bytes. Of one that fails nothing stays. */
    long make(ServerApi api, BranchPoint from) throws IOException, InterruptedException {
        // A branch of its own keeps that LSN readable for as long as this takes.
        TimelineId branch = BranchPoint.newId();
        try {
            JsonNode _ = from.branch(api, branch, null);
            return write(from, branch);
        } finally {
            BranchPoint.delete(api, from.tenant(), branch);
        }
    }

    private long write(BranchPoint from, TimelineId branch) throws IOException {
        Path partial = last.resolveSibling(last.getFileName() + PARTIAL);
        boolean done = false;
        try {
            long bytes = archive ? archive(from, branch, partial) : unpack(from, branch, partial);
            Files.move(partial, last, StandardCopyOption.ATOMIC_MOVE);
            done = true;
            return bytes;
        } finally {
            if (!done) {
                NioDisk beside = new NioDisk(Objects.requireNonNull(last.getParent()));
                beside.deleteTree(String.valueOf(partial.getFileName()));
                beside.deleteTree(String.valueOf(tablespaces().getFileName()));
            }
        }
    }

    private long unpack(BranchPoint from, TimelineId branch, Path partial) {
        try (UnpackedBackup backup = new UnpackedBackup(partial, tablespaces())) {
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
        Progress progress = new Progress(err, json, "exported");
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

    private Path tablespaces() {
        return last.resolveSibling(last.getFileName() + ".tablespaces");
    }

    /** What of it both commands print. */
    ObjectNode describe(BranchPoint from) {
        return Output.object()
                .put("tenant_id", from.tenant().toString())
                .put("timeline_id", from.timeline().toString())
                .put("lsn", from.lsn())
                .put("pg_version", from.major())
                .put("path", last.toString());
    }
}
