package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.remote.PastObjects;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SystemClock;
import io.palimpsest.server.store.StoreConnection;
import io.palimpsest.timeline.TenantRestore;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Makes a tenant in a versioned bucket what it was at an earlier moment. */
@Command(
        name = "restore",
        mixinStandardHelpOptions = true,
        description = {
            "Makes a tenant in a versioned bucket what it was at an earlier moment: under a new generation, which fences the server that has it.",
            "Nothing is deleted or replaced. Without --yes it only says what was."
        })
final class StoreRestore implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private StoreOptions options = new StoreOptions();

    @Parameters(paramLabel = "TENANT", description = "The tenant's id.")
    private String tenant = "";

    @Option(
            names = "--at",
            paramLabel = "TIME",
            required = true,
            description =
                    "By the store's clock: 2026-11-28T14:03:00+01:00, or -15m. What was put later counts as not there.")
    private String at = "";

    @Option(names = "--yes", description = "Restore it.")
    private boolean really;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        TenantShardId id = TenantShardId.parse(tenant);
        if (!(Point.parse(at, Instant.now()) instanceof Point.Time(Instant time))) {
            throw PageserverException.badRequest(
                    "--at takes a time: the state of the store then is restored, with all the LSNs it had");
        }
        try (StoreConnection connection = options.open()) {
            RemoteStore store = StoreOptions.remote(connection);
            PastObjects past =
                    PastObjects.at(
                            store,
                            connection.versions(),
                            RemotePath.tenant(id) + "/",
                            time.toEpochMilli());
            TenantRestore restore = plan(store, connection, id, past, time);
            boolean lost = restore.branches().stream().anyMatch(b -> !b.lost().isEmpty());
            TenantRestore.Outcome outcome =
                    really ? restore.run(new SecureIds(), new SystemClock()) : null;
            if (json) {
                Output.json(spec.commandLine().getOut(), tree(id, time, restore, outcome));
            } else {
                print(id, time, restore, outcome);
            }
            return lost ? Palimpsest.CORRUPT : Palimpsest.DONE;
        }
    }

    private static TenantRestore plan(
            RemoteStore store,
            StoreConnection connection,
            TenantShardId id,
            PastObjects past,
            Instant time) {
        try {
            return TenantRestore.plan(
                    store, connection.versions(), id, past, StoreOptions.remote(past));
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
            throw new PageserverException(
                    ErrorCode.NOT_FOUND,
                    past.oldestMillis() == Long.MAX_VALUE
                            ? "the store has nothing of tenant %s, and keeps no version of it"
                                    .formatted(id)
                            : "tenant %s cannot be what it was at %s: %s. The oldest version of anything of it is of %s; is the bucket's versioning on?"
                                    .formatted(
                                            id,
                                            time,
                                            e.getMessage(),
                                            Instant.ofEpochMilli(past.oldestMillis())),
                    e);
        }
    }

    private void print(
            TenantShardId id,
            Instant time,
            TenantRestore restore,
            TenantRestore.@Nullable Outcome outcome) {
        PrintWriter out = spec.commandLine().getOut();
        out.println(
                "tenant %s as it was at %s, under generation %s"
                        .formatted(id, time, restore.generation()));
        Output.Table table = new Output.Table("BRANCH", "LSN", ">LAYERS", ">BYTES", ">LOST");
        for (TenantRestore.Branch branch : restore.branches()) {
            table.row(
                    branch.id(),
                    Lsn.toString(branch.lsn()),
                    Output.number(branch.layers()),
                    Output.bytes(branch.bytes()),
                    Output.number(branch.lost().size()));
        }
        table.print(out);
        for (TenantRestore.Branch branch : restore.branches()) {
            branch.lost().forEach(key -> out.println("lost  " + key));
        }
        if (outcome == null) {
            out.println(
                    "nothing was changed; --yes restores it, and fences the server that has the tenant");
            return;
        }
        out.println(
                "restored under generation %s: %s branches, %s layers, %s of them copied"
                        .formatted(
                                outcome.generation(),
                                Output.number(outcome.branches()),
                                Output.number(outcome.layers()),
                                Output.number(outcome.copied())));
        out.println(
                "next: restart the server that had it, or palimpsest tenant attach %s on another; the branches follow no source until they are given one"
                        .formatted(id));
    }

    private static ObjectNode tree(
            TenantShardId id,
            Instant time,
            TenantRestore restore,
            TenantRestore.@Nullable Outcome outcome) {
        ObjectNode root = Output.object();
        root.put("tenant", id.toString());
        root.put("at", time.toString());
        root.put("generation_then", restore.generation().toString());
        ArrayNode branches = root.putArray("branches");
        for (TenantRestore.Branch branch : restore.branches()) {
            ObjectNode node = branches.addObject();
            node.put("id", branch.id().toString());
            node.put("lsn", Lsn.toString(branch.lsn()));
            node.put("layers", branch.layers());
            node.put("bytes", branch.bytes());
            ArrayNode lost = node.putArray("lost");
            branch.lost().forEach(lost::add);
        }
        root.put("dry_run", outcome == null);
        if (outcome != null) {
            root.putObject("restored")
                    .put("generation", outcome.generation().toString())
                    .put("layers", outcome.layers())
                    .put("copied", outcome.copied());
        }
        return root;
    }
}
