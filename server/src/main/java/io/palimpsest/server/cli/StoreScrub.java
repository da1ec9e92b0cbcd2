package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.server.store.StoreConnection;
import io.palimpsest.timeline.StoreReview;
import io.palimpsest.timeline.StoreReview.Finding;
import io.palimpsest.timeline.StoreReview.Kind;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
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
            "Only looks: nothing is deleted or changed."
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

    @Override
    public Integer call() {
        StoreReview review;
        try (StoreConnection connection = options.open()) {
            review = new StoreReview(StoreOptions.remote(connection));
            List<TenantShardId> tenants =
                    only == null ? review.list() : List.of(TenantShardId.parse(only));
            for (int i = 0; i < tenants.size(); i++) {
                progress(i, tenants.size(), tenants.get(i));
                review.review(tenants.get(i));
            }
        }
        if (only != null && review.objects() == 0) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "the store has nothing of tenant %s", only);
        }
        if (json) {
            Output.json(spec.commandLine().getOut(), tree(review));
        } else {
            print(spec.commandLine().getOut(), review);
        }
        return harmed(review) ? Palimpsest.CORRUPT : Palimpsest.DONE;
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
