package io.palimpsest.regress;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * Two page servers that follow one PostgreSQL from one base backup: the one that is tried, with
 * tiny limits, killed now and then; and the reference, which keeps all layers it ever wrote. What
 * the actors of a soak share.
 */
final class SoakWorld implements AutoCloseable {
    /** LSNs that can be read. */
    record Window(long cutoff, long last) {
        boolean holds(long lsn) {
            return Long.compareUnsigned(cutoff, lsn) <= 0 && Long.compareUnsigned(lsn, last) <= 0;
        }

        /** A legal LSN, often near the cutoff, where collection has just been. */
        long random(Prng prng) {
            long width = last - cutoff + 1;
            return cutoff + prng.nextLong(prng.nextBoolean() ? width : Math.max(1, width / 16));
        }
    }

    /** An LSN that stays readable until then. */
    record Lease(long lsn, long untilNanos) {}

    private static final long CATCH_UP_SECONDS = 240;

    final ServerProcess server;
    final ServerProcess reference;
    final ManagementClient management;
    final ManagementClient referenceManagement;
    final TenantId tenant;
    final TimelineId main;
    final SoakCounts counts = new SoakCounts();
    final SoakTimelines timelines = new SoakTimelines();
    final List<SoakMoment> moments = new CopyOnWriteArrayList<>();
    final List<Lease> leases = new CopyOnWriteArrayList<>();
    final Path evidence;
    final Consumer<String> progress;
    private final Prng ids;

    /** Even while the server is up; goes up by one with each stop and each start. */
    private final AtomicInteger generation = new AtomicInteger();

    private volatile PageSource.Keyspace keyspace = new PageSource.Keyspace(List.of(), List.of());
    private volatile long oldest;

    SoakWorld(
            ServerProcess server,
            ServerProcess reference,
            Prng prng,
            Path evidence,
            Consumer<String> progress) {
        this.server = server;
        this.reference = reference;
        this.management = new ManagementClient(server.management());
        this.referenceManagement = new ManagementClient(reference.management());
        this.evidence = evidence;
        this.progress = progress;
        this.ids = prng.split("ids");
        this.tenant = new TenantId(ids.nextLong(), ids.nextLong());
        this.main = new TimelineId(ids.nextLong(), ids.nextLong());
    }

    synchronized TimelineId newId() {
        return new TimelineId(ids.nextLong(), ids.nextLong());
    }

    /** Of a moment's files with what the client's timeline has at their LSN. */
    DataDirectoryComparison comparison(SoakMoment moment, PageserverClient client) {
        return new DataDirectoryComparison(
                moment.files(),
                moment.catalog(),
                client,
                moment.lsn(),
                0,
                evidence.resolve("moment-" + moment.number()));
    }

    int generation() {
        return generation.get();
    }

    /** Was the server up at that generation, and is it still the same life? */
    boolean undisturbed(int since) {
        return since == generation.get() && since % 2 == 0;
    }

    /** SIGKILL and a new life. */
    synchronized void kill() {
        generation.incrementAndGet();
        server.kill();
        counts.restarted();
        server.start();
        generation.incrementAndGet();
    }

    /** A clean stop, something done to its files, and a new life. */
    synchronized void stopFor(Runnable what) {
        generation.incrementAndGet();
        server.stop();
        what.run();
        counts.restarted();
        server.start();
        generation.incrementAndGet();
    }

    Window window() {
        JsonNode state = management.timeline(tenant, main);
        return new Window(lsn(state, "min_readable_lsn"), lsn(state, "last_record_lsn"));
    }

    static long lsn(JsonNode state, String field) {
        if (!state.hasNonNull(field)) {
            throw new IllegalStateException("the timeline's state has no " + field + ": " + state);
        }
        return Lsn.parse(state.get(field).asText()).value();
    }

    /** The oldest LSN the reference can answer for. */
    long oldest() {
        return oldest;
    }

    /** Relations there are to draw from. */
    PageSource.Keyspace keyspace() {
        return keyspace;
    }

    void refreshKeyspace() {
        JsonNode state = referenceManagement.timeline(tenant, main);
        oldest = lsn(state, "min_readable_lsn");
        long last = lsn(state, "last_record_lsn");
        if (Long.compareUnsigned(last, oldest) >= 0) {
            try (PageserverClient client = referenceClient()) {
                keyspace = client.keyspace(last);
            }
        }
    }

    PageserverClient client(TimelineId timeline) {
        return PageserverClient.connect(server.pageService(), tenant, timeline, 3);
    }

    PageserverClient referenceClient() {
        return PageserverClient.connect(reference.pageService(), tenant, main, 3);
    }

    /** Waits until both servers have followed PostgreSQL up to there. */
    void await(long lsn) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(CATCH_UP_SECONDS);
        for (ManagementClient one : List.of(management, referenceManagement)) {
            while (true) {
                int before = generation();
                try {
                    if (Long.compareUnsigned(one.lsn(tenant, main, "last_record_lsn"), lsn) >= 0) {
                        break;
                    }
                } catch (RuntimeException e) {
                    if (undisturbed(before)) {
                        throw e;
                    }
                }
                if (System.nanoTime() > end) {
                    throw new IllegalStateException(
                            "a page server did not reach "
                                    + Lsn.toString(lsn)
                                    + ":\n"
                                    + server.logTail());
                }
                Pause.millis(50);
            }
        }
    }

    /** Leases that hold a while yet. */
    List<Lease> heldLeases() {
        long soon = System.nanoTime() + TimeUnit.SECONDS.toNanos(2);
        List<Lease> held = new ArrayList<>(leases);
        held.removeIf(lease -> lease.untilNanos - soon < 0);
        return held;
    }

    @Override
    public void close() {
        management.close();
        referenceManagement.close();
        server.close();
        reference.close();
    }
}
