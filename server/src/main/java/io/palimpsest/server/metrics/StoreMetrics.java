package io.palimpsest.server.metrics;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.server.metrics.Exposition.MetricType;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Requests to the object store: how many, how long, how they ended. Each attempt counts. */
public final class StoreMetrics implements ObjectStore {
    private enum Operation {
        PUT,
        GET,
        GET_RANGE,
        HEAD,
        LIST,
        DELETE,
        COPY
    }

    private final ObjectStore store;
    private final Map<Operation, Durations> done = new EnumMap<>(Operation.class);

    /** By operation and what went wrong: few pairs ever come to be. */
    private final Map<String, LongAdder> failed = new ConcurrentHashMap<>();

    private final LongAdder sent = new LongAdder();
    private final LongAdder received = new LongAdder();
    private volatile boolean answered;

    public StoreMetrics(ObjectStore store) {
        this.store = store;
        for (Operation operation : Operation.values()) {
            done.put(operation, new Durations());
        }
    }

    /** Has it answered anything since the start, if only that something is not there? */
    public boolean answered() {
        return answered;
    }

    void write(Exposition out) {
        out.family(
                "palimpsest_store_request_duration_seconds",
                MetricType.HISTOGRAM,
                "Time of requests to the object store that did what was asked.");
        done.forEach((operation, durations) ->
                durations.write(
                        out, "palimpsest_store_request_duration_seconds", "op", name(operation)));
        out.family(
                "palimpsest_store_request_failures_total",
                MetricType.COUNTER,
                "Requests to the object store that did not, by what was answered. not_found and conflict are part of ordinary work.");
        failed.entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .forEach(e -> {
                    int colon = e.getKey().indexOf(':');
                    out.sample(
                            e.getValue().sum(),
                            "op",
                            e.getKey().substring(0, colon),
                            "result",
                            e.getKey().substring(colon + 1));
                });
        out.family(
                        "palimpsest_store_sent_bytes_total",
                        MetricType.COUNTER,
                        "Bytes of objects that were put.")
                .sample(sent.sum());
        out.family(
                        "palimpsest_store_received_bytes_total",
                        MetricType.COUNTER,
                        "Bytes of objects that were read.")
                .sample(received.sum());
    }

    private static String name(Operation operation) {
        return operation.name().toLowerCase(Locale.ROOT);
    }

    private <T> T measure(Operation operation, Supplier<T> request) {
        long from = System.nanoTime();
        try {
            T result = request.get();
            Durations durations = done.get(operation);
            if (durations != null) {
                durations.add(System.nanoTime() - from, 1);
            }
            answered = true;
            return result;
        } catch (PageserverException e) {
            failed.computeIfAbsent(
                            name(operation) + ":" + e.code().name().toLowerCase(Locale.ROOT),
                            key -> new LongAdder())
                    .increment();
            if (e.code() == ErrorCode.NOT_FOUND || e.code() == ErrorCode.CONFLICT) {
                answered = true;
            }
            throw e;
        }
    }

    private void measure(Operation operation, Runnable request) {
        Supplier<Boolean> answering =
                () -> {
                    request.run();
                    return true;
                };
        measure(operation, answering);
    }

    @Override
    public String put(String key, Content content, Condition condition) {
        String version = measure(Operation.PUT, () -> store.put(key, content, condition));
        sent.add(content.length());
        return version;
    }

    @Override
    public Stored get(String key, Sink sink) {
        return measure(
                Operation.GET,
                () ->
                        store.get(
                                key,
                                (bytes, offset, length) -> {
                                    received.add(length);
                                    sink.accept(bytes, offset, length);
                                }));
    }

    @Override
    public void get(String key, long position, byte[] into, int offset, int length) {
        measure(Operation.GET_RANGE, () -> store.get(key, position, into, offset, length));
        received.add(length);
    }

    @Override
    public Stored head(String key) {
        return measure(Operation.HEAD, () -> store.head(key));
    }

    @Override
    public Listing list(String prefix, boolean recursive, int limit, @Nullable String page) {
        return measure(Operation.LIST, () -> store.list(prefix, recursive, limit, page));
    }

    @Override
    public void delete(List<String> keys) {
        measure(Operation.DELETE, () -> store.delete(keys));
    }

    @Override
    public void copy(String from, String to) {
        measure(Operation.COPY, () -> store.copy(from, to));
    }
}
