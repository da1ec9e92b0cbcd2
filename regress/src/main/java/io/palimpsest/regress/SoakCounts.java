package io.palimpsest.regress;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;

/** What a soak has come to. Those of background work are summed over the server's lives. */
final class SoakCounts {
    private static final int KEPT = 20;

    final AtomicLong postgresReads = new AtomicLong();
    final AtomicLong referenceReads = new AtomicLong();
    final AtomicLong refusals = new AtomicLong();
    final AtomicLong mismatches = new AtomicLong();
    final AtomicLong branches = new AtomicLong();
    final AtomicLong deletes = new AtomicLong();
    final AtomicLong leases = new AtomicLong();
    final AtomicLong leasedReads = new AtomicLong();
    final AtomicLong kills = new AtomicLong();
    final AtomicLong moments = new AtomicLong();
    private final List<String> notes = new ArrayList<>();
    private final Background total = new Background();
    private Background thisLife = new Background();

    /** The server's own counters. */
    private static final class Background {
        long flushes;
        long merges;
        long images;
        long histories;
        long collections;
        long layersCollected;
        long failures;

        static Background of(JsonNode json) {
            Background b = new Background();
            b.flushes = number(json, "flushes");
            b.merges = number(json, "merges");
            b.images = number(json, "images");
            b.histories = number(json, "histories");
            b.collections = number(json, "collections");
            b.layersCollected = number(json, "layersCollected");
            b.failures = number(json, "failures");
            return b;
        }

        private static long number(JsonNode json, String field) {
            if (!json.hasNonNull(field)) {
                throw new IllegalStateException("no " + field + " in " + json);
            }
            return json.get(field).asLong();
        }

        void add(Background o) {
            flushes += o.flushes;
            merges += o.merges;
            images += o.images;
            histories += o.histories;
            collections += o.collections;
            layersCollected += o.layersCollected;
            failures += o.failures;
        }
    }

    /** What the server says it has done since it was started. */
    synchronized void background(JsonNode json) {
        thisLife = Background.of(json);
    }

    /** The server is gone: its counters start at 0 again. What it did last may not be counted. */
    synchronized void restarted() {
        total.add(thisLife);
        thisLife = new Background();
        kills.incrementAndGet();
    }

    private synchronized Background sum() {
        Background all = new Background();
        all.add(total);
        all.add(thisLife);
        return all;
    }

    void mismatch(String what) {
        mismatches.incrementAndGet();
        synchronized (notes) {
            if (notes.size() < KEPT) {
                notes.add(what);
            }
        }
    }

    List<String> notes() {
        synchronized (notes) {
            return List.copyOf(notes);
        }
    }

    long reads() {
        return postgresReads.get() + referenceReads.get();
    }

    /** Did everything happen that a soak is there for? */
    boolean complete() {
        Background b = sum();
        return reads() > 0
                && refusals.get() > 0
                && b.flushes > 0
                && b.merges + b.images + b.histories > 0
                && b.collections > 0
                && branches.get() > 0;
    }

    private String figures() {
        Background b = sum();
        return String.format(
                Locale.ROOT,
                "reads=%d mismatches=%d flushes=%d compactions=%d gcs=%d branches=%d",
                reads(),
                mismatches.get(),
                b.flushes,
                b.merges + b.images + b.histories,
                b.collections,
                branches.get());
    }

    String progress() {
        return figures() + " moments=" + moments.get() + " kills=" + kills.get();
    }

    String last() {
        return "soak: " + figures();
    }

    String detail() {
        Background b = sum();
        return String.format(
                Locale.ROOT,
                """
                pages compared with PostgreSQL's own files: %d, of %d moments
                answers compared with a second page server of ours that follows the same WAL and neither compacts nor collects: %d
                reads that had to be refused: %d; at a leased LSN below the cutoff: %d
                compactions: %d merges of L0s, %d image creations, %d drops of history, %d failed; layers collected: %d
                branches deleted: %d; leases: %d; SIGKILL to the page server: %d
                """,
                postgresReads.get(),
                moments.get(),
                referenceReads.get(),
                refusals.get(),
                leasedReads.get(),
                b.merges,
                b.images,
                b.histories,
                b.failures,
                b.layersCollected,
                deletes.get(),
                leases.get(),
                kills.get());
    }
}
