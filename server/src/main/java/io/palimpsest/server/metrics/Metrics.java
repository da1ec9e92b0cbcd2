package io.palimpsest.server.metrics;

import io.palimpsest.server.metrics.Exposition.MetricType;
import io.palimpsest.tenant.Tenants;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** All metrics of a server; docs/metrics.md says what each is for. */
public final class Metrics {
    /**
     * Clients of the page service.
     *
     * @param open now
     * @param accepted since the start
     * @param refused because there were too many
     */
    public record Connections(long open, long accepted, long refused) {}

    private final ProcessMetrics process;
    private final TenantMetrics tenants;
    private final PageMetrics pages;
    private final @Nullable StoreMetrics store;
    private final Supplier<Connections> connections;

    /**
     * @param store null without an object store
     */
    public Metrics(
            String version,
            Tenants tenants,
            PageMetrics pages,
            @Nullable StoreMetrics store,
            Supplier<Connections> connections) {
        this.process = new ProcessMetrics(version);
        this.tenants = new TenantMetrics(tenants);
        this.pages = pages;
        this.store = store;
        this.connections = connections;
    }

    /** All of them as Prometheus reads them. */
    public String text() {
        return exposition().text();
    }

    /** The names of all families that there are now. */
    Set<String> families() {
        return exposition().families();
    }

    private Exposition exposition() {
        Exposition out = new Exposition();
        process.write(out);
        Connections now = connections.get();
        out.family("palimpsest_connections", MetricType.GAUGE, "Clients of the page service.")
                .sample(now.open());
        out.family(
                        "palimpsest_connections_accepted_total",
                        MetricType.COUNTER,
                        "Clients that have come to the page service.")
                .sample(now.accepted());
        out.family(
                        "palimpsest_connections_refused_total",
                        MetricType.COUNTER,
                        "Clients that were turned away because there were too many.")
                .sample(now.refused());
        pages.write(out);
        if (store != null) {
            store.write(out);
        }
        tenants.write(out);
        return out;
    }
}
