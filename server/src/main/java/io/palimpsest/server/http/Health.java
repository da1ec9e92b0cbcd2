package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Whether clients should be sent here. A store that is away changes nothing about that as long as
 * there is something here to serve; a full disk or a server that is about to stop does.
 */
public final class Health {
    /** With less room than this nothing can be flushed for long. */
    private static final long DISK_FLOOR = 64L << 20;

    /** Of a server about which nothing is known but that it answers. */
    public static final Health PLAIN = new Health(() -> 0, () -> Long.MAX_VALUE, null);

    private final IntSupplier tenants;
    private final LongSupplier room;
    private final @Nullable BooleanSupplier storeAnswered;
    private volatile boolean draining;

    /**
     * @param tenants how many are here
     * @param room bytes that the working directory's disk has left
     * @param storeAnswered has the object store answered since the start? Null without one
     */
    public Health(IntSupplier tenants, LongSupplier room, @Nullable BooleanSupplier storeAnswered) {
        this.tenants = tenants;
        this.room = room;
        this.storeAnswered = storeAnswered;
    }

    /** From now on it is not ready any more: it is about to stop. */
    public void drain() {
        draining = true;
    }

    /**
     * @param leftBytes of the disk; -1: it is not about that
     */
    private record Finding(String name, boolean good, String detail, long leftBytes) {
        Finding(String name, boolean good, String detail) {
            this(name, good, detail, -1);
        }

        ObjectNode describe(ObjectNode json) {
            json.put("name", name).put("ok", good).put("detail", detail);
            return leftBytes < 0 ? json : json.put("left_bytes", leftBytes);
        }
    }

    /** 200 or 503, each finding with {@code verbose}. */
    ManagementRoutes.Answer ready(boolean verbose) {
        List<Finding> findings = findings();
        boolean ready = findings.stream().allMatch(Finding::good);
        ObjectNode body = JsonNodeFactory.instance.objectNode().put("ready", ready);
        ArrayNode checks = JsonNodeFactory.instance.arrayNode();
        findings.stream()
                .filter(f -> verbose || !f.good)
                .forEach(f -> f.describe(checks.addObject()));
        if (!ready) {
            body.put(
                    "msg",
                    "not ready: "
                            + findings.stream()
                                    .filter(f -> !f.good)
                                    .map(f -> f.name + ": " + f.detail)
                                    .collect(Collectors.joining("; ")));
        }
        if (!checks.isEmpty()) {
            body.set("checks", checks);
        }
        return new ManagementRoutes.Answer(ready ? 200 : 503, body);
    }

    private List<Finding> findings() {
        int here = tenants.getAsInt();
        long left = room.getAsLong();
        return List.of(
                new Finding("serving", !draining, draining ? "about to stop" : "yes"),
                new Finding("tenants", true, here + " loaded"),
                new Finding(
                        "disk",
                        left >= DISK_FLOOR,
                        String.format(
                                Locale.ROOT,
                                "%.1f GiB left, %d MiB are needed",
                                left / (double) (1L << 30),
                                DISK_FLOOR >> 20),
                        left),
                store(here));
    }

    private Finding store(int tenantsHere) {
        BooleanSupplier answered = storeAnswered;
        if (answered == null) {
            return new Finding("store", true, "none is configured");
        }
        boolean seen = answered.getAsBoolean();
        return new Finding(
                "store",
                seen || tenantsHere > 0,
                seen
                        ? "has answered since the start"
                        : "has not answered since the start, and nothing is here without it");
    }
}
