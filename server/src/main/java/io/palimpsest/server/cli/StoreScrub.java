package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.server.connect.Credentials;
import io.palimpsest.server.store.LeftOvers.LeftOver;
import io.palimpsest.server.store.StoreConnection;
import io.palimpsest.timeline.StoreReview;
import io.palimpsest.timeline.StoreReview.Finding;
import io.palimpsest.timeline.StoreReview.Kind;
import java.io.PrintWriter;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What is missing in an object store, and what nobody names. */
@Command(
        name = "scrub",
        mixinStandardHelpOptions = true,
        description = {
            "Compares what is in the store with what its indexes name, while page servers go on.",
            "Only looks, but with --delete --yes: that deletes what is provably nobody's."
        })
final class StoreScrub implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private StoreOptions options = new StoreOptions();

    @Option(names = "--tenant", paramLabel = "TENANT", description = "One tenant only.")
    private @Nullable String only;

    @Option(names = "--list", description = "Print every object that was found, not only harm.")
    private boolean list;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    /** What is to be deleted. */
    static final class Deletion {
        @Option(
                names = "--delete",
                required = true,
                description =
                        "Say what is provably nobody's: of branches that are being deleted, and what broken-off puts have left.")
        private boolean wanted;

        @Option(names = "--yes", description = "And delete it.")
        private boolean really;

        @Option(
                names = "--left-for",
                paramLabel = "TIME",
                converter = Age.class,
                defaultValue = "7d",
                description =
                        "A put was broken off if it was begun that long ago (12h, 7d). Default: ${DEFAULT-VALUE}.")
        private Duration leftFor = Duration.ofDays(7);

        @Option(
                names = "--owner",
                paramLabel = "URL",
                description =
                        "The management API of a page server: with --yes, it deletes what is garbage of the tenants that it owns. A token as with `palimpsest tenant`.")
        private @Nullable URI owner;
    }

    @ArgGroup(exclusive = false)
    private @Nullable Deletion deletion;

    @Override
    public Integer call() throws InterruptedException {
        StoreReview review;
        ScrubDeletion deleted = null;
        try (StoreConnection connection = options.open()) {
            RemoteStore store = StoreOptions.remote(connection);
            review = new StoreReview(store);
            List<TenantShardId> tenants =
                    only == null ? review.list() : List.of(TenantShardId.parse(only));
            for (int i = 0; i < tenants.size(); i++) {
                progress(i, tenants.size(), tenants.get(i));
                review.review(tenants.get(i));
            }
            if (only != null && review.objects() == 0) {
                throw PageserverException.of(
                        ErrorCode.NOT_FOUND, "the store has nothing of tenant %s", only);
            }
            Deletion asked = deletion;
            if (asked != null && asked.wanted) {
                deleted =
                        ScrubDeletion.of(
                                review.findings(),
                                only == null
                                        ? connection.leftOvers().leftOvers(asked.leftFor)
                                        : leftOversOf(only, connection, asked.leftFor));
                if (asked.really) {
                    deleted.run(store, connection.leftOvers());
                    if (asked.owner != null) {
                        try (ServerApi api =
                                new ServerApi(asked.owner, Credentials.of(System.getenv()))) {
                            deleted.askOwner(api);
                        }
                    }
                }
            }
        }
        if (json) {
            ObjectNode root = tree(review);
            if (deleted != null) {
                deleted.tree(root.putObject("deletion"));
            }
            Output.json(spec.commandLine().getOut(), root);
        } else {
            print(spec.commandLine().getOut(), review);
            if (deleted != null) {
                deleted.print(spec.commandLine().getOut());
            }
        }
        if (harmed(review)) {
            return Palimpsest.CORRUPT;
        }
        return deleted == null || deleted.whole() ? Palimpsest.DONE : Palimpsest.FAILED;
    }

    /**
     * Of a directory nothing tells what they were to become, so they are nobody's in particular.
     */
    private static List<LeftOver> leftOversOf(
            String tenant, StoreConnection connection, Duration age) {
        String prefix = RemotePath.tenant(TenantShardId.parse(tenant)) + "/";
        return connection.leftOvers().leftOvers(age).stream()
                .filter(leftOver -> leftOver.name().startsWith(prefix))
                .toList();
    }

    private void progress(int done, int all, TenantShardId next) {
        if (all > 1) {
            PrintWriter err = spec.commandLine().getErr();
            err.println("%d of %d tenants, next %s".formatted(done, all, next));
            err.flush();
        }
    }

    private static boolean harmed(StoreReview review) {
        return review.findings().stream().anyMatch(finding -> finding.kind().harm());
    }

    private static String label(Kind kind) {
        return kind.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static ObjectNode tree(StoreReview review) {
        ObjectNode root = Output.object();
        root.put("tenants", review.tenants());
        root.put("objects", review.objects());
        root.put("bytes", review.bytes());
        root.put("harmed", harmed(review));
        ArrayNode findings = root.putArray("findings");
        for (Finding finding : review.findings()) {
            ObjectNode node = findings.addObject();
            node.put("kind", label(finding.kind()));
            node.put("harm", finding.kind().harm());
            node.put("key", finding.key());
            node.put("bytes", finding.bytes());
            if (finding.modifiedMillis() != 0) {
                node.put("modified", Instant.ofEpochMilli(finding.modifiedMillis()).toString());
            }
            node.put("detail", finding.detail());
        }
        return root;
    }

    private void print(PrintWriter out, StoreReview review) {
        for (Finding finding : review.findings()) {
            if (list || finding.kind().harm()) {
                out.println(
                        "%s  %s  %s"
                                .formatted(label(finding.kind()), finding.key(), finding.detail())
                                .stripTrailing());
            }
        }
        Output.Table table = new Output.Table("FOUND", ">OBJECTS", ">BYTES");
        for (Kind kind : Kind.values()) {
            List<Finding> some = review.findings().stream().filter(f -> f.kind() == kind).toList();
            if (!some.isEmpty()) {
                table.row(
                        label(kind),
                        Output.number(some.size()),
                        Output.bytes(some.stream().mapToLong(Finding::bytes).sum()));
            }
        }
        table.row("all", Output.number(review.objects()), Output.bytes(review.bytes()));
        table.print(out);
    }
}
