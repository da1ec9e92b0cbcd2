package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.server.store.StoreConnection;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** How much of what is in an object store. */
@Command(
        name = "du",
        mixinStandardHelpOptions = true,
        description = "Bytes and objects by tenant, branch and kind.")
final class StoreDu implements Callable<Integer> {
    private static final int PAGE = 1000;

    /** What is counted together; shown in this order. */
    private enum Kind {
        DELTA,
        IMAGE,
        INDEX;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private static final class Sum {
        private long objects;
        private long bytes;

        void add(long length) {
            objects++;
            bytes += length;
        }

        void add(Sum other) {
            objects += other.objects;
            bytes += other.bytes;
        }

        ObjectNode to(ObjectNode node) {
            return node.put("objects", objects).put("bytes", bytes);
        }
    }

    private static final class Tenant {
        private final Sum manifests = new Sum();
        private final Sum heatmap = new Sum();
        private final Map<TimelineId, Map<Kind, Sum>> timelines = new TreeMap<>();

        void add(TimelineId timeline, Kind kind, long length) {
            timelines
                    .computeIfAbsent(timeline, _ -> new TreeMap<>())
                    .computeIfAbsent(kind, _ -> new Sum())
                    .add(length);
        }

        Sum all() {
            Sum all = new Sum();
            all.add(manifests);
            all.add(heatmap);
            timelines.values().forEach(kinds -> kinds.values().forEach(all::add));
            return all;
        }
    }

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private StoreOptions options = new StoreOptions();

    @Option(names = "--tenant", paramLabel = "TENANT", description = "One tenant only.")
    private @Nullable String only;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    private final Map<TenantShardId, Tenant> tenants = new TreeMap<>();
    private final Sum others = new Sum();

    @Override
    public Integer call() {
        String prefix = only == null ? "" : RemotePath.tenant(TenantShardId.parse(only)) + "/";
        try (StoreConnection connection = options.open()) {
            count(connection.store(), prefix);
        }
        if (json) {
            Output.json(spec.commandLine().getOut(), tree());
        } else {
            print(spec.commandLine().getOut());
        }
        return only != null && tenants.isEmpty() ? Palimpsest.NOT_FOUND : Palimpsest.DONE;
    }

    private void count(ObjectStore store, String prefix) {
        String page = null;
        do {
            ObjectStore.Listing listing = store.list(prefix, true, PAGE, page);
            listing.objects().forEach(this::count);
            others.objects += listing.foreign();
            page = listing.next();
        } while (page != null);
    }

    private void count(ObjectStore.Entry entry) {
        long length = entry.length();
        switch (RemoteKey.of(entry.key())) {
            case RemoteKey.Manifest m -> tenant(m.tenant()).manifests.add(length);
            case RemoteKey.Hints h -> tenant(h.tenant()).heatmap.add(length);
            case RemoteKey.Index i -> tenant(i.tenant()).add(i.timeline(), Kind.INDEX, length);
            case RemoteKey.Layer l ->
                    tenant(l.tenant())
                            .add(l.timeline(), l.name().image() ? Kind.IMAGE : Kind.DELTA, length);
            case RemoteKey.Foreign _ -> others.add(length);
        }
    }

    private Tenant tenant(TenantShardId id) {
        return tenants.computeIfAbsent(id, _ -> new Tenant());
    }

    private Sum all() {
        Sum all = new Sum();
        tenants.values().forEach(t -> all.add(t.all()));
        all.add(others);
        return all;
    }

    private ObjectNode tree() {
        ObjectNode root = Output.object();
        all().to(root);
        others.to(root.putObject("others"));
        ArrayNode list = root.putArray("tenants");
        tenants.forEach((id, tenant) -> {
            ObjectNode node = tenant.all().to(list.addObject().put("id", id.toString()));
            tenant.manifests.to(node.putObject("manifest"));
            tenant.heatmap.to(node.putObject("heatmap"));
            ArrayNode timelines = node.putArray("timelines");
            tenant.timelines.forEach((timeline, kinds) -> {
                ObjectNode one = timelines.addObject().put("id", timeline.toString());
                kinds.forEach((kind, sum) -> sum.to(one.putObject(kind.label())));
            });
        });
        return root;
    }

    private void print(PrintWriter out) {
        Output.Table table = new Output.Table("TENANT", "BRANCH", "KIND", ">OBJECTS", ">BYTES");
        tenants.forEach((id, tenant) -> {
            row(table, id, "", "manifest", tenant.manifests);
            if (tenant.heatmap.objects > 0) {
                row(table, id, "", "heatmap", tenant.heatmap);
            }
            tenant.timelines.forEach((timeline, kinds) ->
                    kinds.forEach((kind, sum) -> row(table, id, timeline, kind.label(), sum)));
            row(table, id, "", "all", tenant.all());
        });
        if (others.objects > 0) {
            row(table, "others", "", "", others);
        }
        row(table, "all", "", "", all());
        table.print(out);
    }

    private static void row(
            Output.Table table, Object tenant, Object branch, String kind, Sum sum) {
        table.row(tenant, branch, kind, Output.number(sum.objects), Output.bytes(sum.bytes));
    }
}
