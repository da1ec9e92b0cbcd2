package io.palimpsest.regress.storage;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.regress.ManagementClient;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** Looks all the time how far the object store is behind what a page server has taken in. */
final class UploadLag implements AutoCloseable {
    private static final long PERIOD_MILLIS = 100;

    private record Sample(long nanos, long last, long stored, long waiting) {}

    private final ManagementClient management;
    private final TenantId tenant;
    private final TimelineId timeline;
    private final List<Sample> samples = new ArrayList<>();
    private final AtomicBoolean ending = new AtomicBoolean();
    private final Thread thread;
    private volatile @Nullable RuntimeException failure;

    UploadLag(ManagementClient management, TenantId tenant, TimelineId timeline) {
        this.management = management;
        this.tenant = tenant;
        this.timeline = timeline;
        this.thread = Thread.ofPlatform().name("upload-lag").start(this::look);
    }

    private void look() {
        try {
            while (!ending.get()) {
                JsonNode state = management.timeline(tenant, timeline);
                samples.add(
                        new Sample(
                                System.nanoTime(),
                                Lsn.parse(state.path("last_record_lsn").asText()).value(),
                                Lsn.parse(state.path("remote_consistent_lsn").asText()).value(),
                                state.path("upload_lag_bytes").asLong()));
                Thread.sleep(PERIOD_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            failure = e;
        }
    }

    /** The most WAL, in bytes, that was taken in and not in the store. */
    long mostWal() {
        return samples.stream().mapToLong(s -> s.last - s.stored).max().orElse(0);
    }

    /** The most bytes of layers that were on the disk and not in the store. */
    long mostWaiting() {
        return samples.stream().mapToLong(Sample::waiting).max().orElse(0);
    }

    /**
     * The longest that WAL which was taken in had to wait until it was in the store, in seconds.
     */
    double longestSeconds() {
        long longest = 0;
        int behind = 0;
        for (int i = 0; i < samples.size(); i++) {
            Sample now = samples.get(i);
            while (behind < i && samples.get(behind).last <= now.stored) {
                behind++;
            }
            longest = Math.max(longest, now.nanos - samples.get(behind).nanos);
        }
        return longest / 1e9;
    }

    /** Looks no more; what was seen can be asked for from then on. */
    @Override
    public void close() {
        ending.set(true);
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
        RuntimeException seen = failure;
        if (seen != null) {
            throw seen;
        }
    }
}
