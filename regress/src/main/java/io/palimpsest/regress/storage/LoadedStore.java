package io.palimpsest.regress.storage;

import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.Page;
import io.palimpsest.server.config.ServerConfig;
import io.palimpsest.server.net.PageServer;
import io.palimpsest.service.Authentication;
import io.palimpsest.service.PageService;
import io.palimpsest.tenant.BackgroundCounters;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;

/**
 * Tenants in this process, with their page service and all that runs in the background, whose
 * timelines are written to at a fixed rate: layers of half a MiB, so that some are flushed each
 * second, and merged.
 */
final class LoadedStore implements AutoCloseable {
    /** For people. */
    static final String WRITES = "2 pages 4 times a second";

    private static final double WRITES_PER_SECOND = 4;
    private static final int PAGES = 2;
    private static final int BLOCKS = 1000;
    private static final long LAYER = 512 << 10;
    private static final int THRESHOLD = 4;

    private final Tenants tenants;
    private final PageServer server;
    private final Timeline main;

    LoadedStore(Path directory) {
        Storage storage = new Storage(directory, Storage.limits(LAYER, 256L << 20));
        TenantConfig d = TenantConfig.DEFAULT;
        long second = 1_000_000_000L;
        tenants =
                Tenants.load(
                        storage.environment(),
                        storage.limits(),
                        new TenantConfig(
                                d.pitrIntervalNanos(),
                                d.gcHorizonBytes(),
                                second,
                                second,
                                THRESHOLD,
                                2 * THRESHOLD,
                                8 * LAYER,
                                d.imageCreationThreshold(),
                                d.leaseNanos()));
        server =
                PageServer.start(
                        new ServerConfig.Address("127.0.0.1", 0),
                        new PageService(tenants, Authentication.TRUST),
                        null,
                        storage.environment().tasks(),
                        PageServer.Settings.DEFAULT);
        main = tenants.timeline(Storage.TENANT.tenant(), Storage.BASE);
    }

    InetSocketAddress address() {
        return server.address();
    }

    long mainLsn() {
        return main.lastRecordLsn();
    }

    String flushesAndMerges() {
        BackgroundCounters.Snapshot all = tenants.housekeeper().counters();
        return String.format(
                Locale.ROOT,
                "%d flushes, %d merges, %d image creations",
                all.flushes(),
                all.merges(),
                all.images());
    }

    Neighbour neighbour(TenantId tenant, TimelineId timeline) {
        return new Neighbour(tenants.timeline(tenant, timeline), tenant + " " + timeline);
    }

    /** A timeline that is written to by one thread. */
    static final class Neighbour {
        private final Timeline timeline;
        private final String name;
        private final SplittableRandom random;
        private final byte[] page = new byte[Page.SIZE];
        private final Modifications batch = new Modifications();

        private Neighbour(Timeline timeline, String name) {
            this.timeline = timeline;
            this.name = name;
            random = new SplittableRandom(name.hashCode());
            random.nextBytes(page);
        }

        /** As the page service's commands name it. */
        String name() {
            return name;
        }

        /** Writes some pages at each of the times that the rate gives, waiting for none. */
        void write(double seconds) {
            int n = (int) (WRITES_PER_SECOND * seconds);
            long start = System.nanoTime() + (long) (random.nextDouble() * 1e9 / WRITES_PER_SECOND);
            for (int i = 0; i < n; i++) {
                long due = start + (long) (i * 1e9 / WRITES_PER_SECOND);
                for (long wait = due - System.nanoTime();
                        wait > 0;
                        wait = due - System.nanoTime()) {
                    LockSupport.parkNanos(wait);
                }
                long lsn = timeline.lastRecordLsn();
                for (int j = 0; j < PAGES; j++) {
                    lsn += Page.SIZE;
                    batch.image(Keys.block(SyntheticPages.TAG, random.nextInt(BLOCKS)), lsn, page);
                }
                timeline.commit(batch, lsn - Page.SIZE, lsn);
                batch.clear();
            }
        }
    }

    @Override
    public void close() {
        server.close();
        tenants.close();
    }
}
