package io.palimpsest.server.metrics;

import io.palimpsest.base.PageserverException;
import io.palimpsest.basebackup.BackupForm;
import io.palimpsest.basebackup.BaseBackup;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.server.metrics.Exposition.MetricType;
import io.palimpsest.service.PageSource;
import io.palimpsest.timeline.PageBatch;
import io.palimpsest.value.ReadView;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** What clients of the page service ask for, and how long it takes. */
public final class PageMetrics {
    /** What is measured, by the field's names. */
    private enum Query {
        GET_REL_SIZE,
        GET_PAGE_AT_LSN,
        GET_SLRU_SEGMENT
    }

    private final Map<Query, Durations> queries = new EnumMap<>(Query.class);
    private final Durations waits = new Durations();
    private final Durations batches = new Durations();
    private final LongAdder batchedPages = new LongAdder();
    private final LongAdder failures = new LongAdder();
    private final LongAdder backups = new LongAdder();

    public PageMetrics() {
        for (Query query : Query.values()) {
            queries.put(query, new Durations());
        }
    }

    /** The same sources, measured. */
    public PageSource.Directory measured(PageSource.Directory directory) {
        return (tenant, timeline) -> new Measured(directory.find(tenant, timeline));
    }

    void write(Exposition out) {
        out.family(
                "pageserver_smgr_query_seconds_global",
                MetricType.HISTOGRAM,
                "Time to answer requests of the page service, without waiting for WAL; one that reads a batch counts for each of its pages.");
        queries.forEach((query, durations) ->
                durations.write(
                        out,
                        "pageserver_smgr_query_seconds_global",
                        "smgr_query_type",
                        query.name().toLowerCase(Locale.ROOT)));
        out.family(
                "pageserver_wait_lsn_seconds",
                MetricType.HISTOGRAM,
                "Time that requests waited for WAL that had not arrived.");
        waits.write(out, "pageserver_wait_lsn_seconds");
        out.family(
                "palimpsest_page_batch_seconds",
                MetricType.HISTOGRAM,
                "Time to read pages together that were asked for one after the other without waiting.");
        batches.write(out, "palimpsest_page_batch_seconds");
        out.family(
                        "palimpsest_page_batch_pages_total",
                        MetricType.COUNTER,
                        "Pages that were read in batches.")
                .sample(batchedPages.sum());
        out.family(
                        "palimpsest_page_request_failures_total",
                        MetricType.COUNTER,
                        "Requests of the page service that were answered with an error.")
                .sample(failures.sum());
        out.family("palimpsest_base_backups_total", MetricType.COUNTER, "Base backups begun.")
                .sample(backups.sum());
    }

    /** Something of a timeline's that may fail. */
    private interface Work<T> {
        T run();
    }

    private <T> T measure(Durations durations, Work<T> work) {
        long from = System.nanoTime();
        try {
            T result = work.run();
            durations.add(System.nanoTime() - from, 1);
            return result;
        } catch (PageserverException e) {
            failures.increment();
            throw e;
        }
    }

    private Durations of(Query query) {
        Durations durations = queries.get(query);
        if (durations == null) {
            throw new IllegalStateException(query.name());
        }
        return durations;
    }

    /** A source, measured. Reading a page is spelled out: it makes no garbage. */
    private final class Measured implements PageSource {
        private final PageSource source;
        private final Durations pages = of(Query.GET_PAGE_AT_LSN);

        Measured(PageSource source) {
            this.source = source;
        }

        @Override
        public long lastRecordLsn() {
            return source.lastRecordLsn();
        }

        @Override
        public long effectiveLsn(long requestLsn, long notModifiedSince) {
            if (Long.compareUnsigned(notModifiedSince, source.lastRecordLsn()) > 0) {
                return measure(waits, () -> source.effectiveLsn(requestLsn, notModifiedSince));
            }
            return source.effectiveLsn(requestLsn, notModifiedSince);
        }

        @Override
        public int relationBlocks(RelTag tag, long lsn) {
            return measure(of(Query.GET_REL_SIZE), () -> source.relationBlocks(tag, lsn));
        }

        @Override
        public void readPage(RelTag tag, int block, long lsn, byte[] into, int at) {
            long from = System.nanoTime();
            boolean done = false;
            try {
                source.readPage(tag, block, lsn, into, at);
                done = true;
            } finally {
                if (done) {
                    pages.add(System.nanoTime() - from, 1);
                } else {
                    failures.increment();
                }
            }
        }

        /** One that is declined is asked for again, and counted then. */
        @Override
        public boolean tryReadPage(
                RelTag tag,
                int block,
                long requestLsn,
                long notModifiedSince,
                byte[] into,
                int at) {
            long from = System.nanoTime();
            boolean done = source.tryReadPage(tag, block, requestLsn, notModifiedSince, into, at);
            if (done) {
                pages.add(System.nanoTime() - from, 1);
            }
            return done;
        }

        @Override
        public int batchPages() {
            return source.batchPages();
        }

        @Override
        public void readPages(PageBatch batch, byte[] into) {
            int size = batch.size();
            long from = System.nanoTime();
            // If it fails, each page is asked for by itself, and counted then.
            source.readPages(batch, into);
            long took = System.nanoTime() - from;
            pages.add(took, size);
            batches.add(took, 1);
            batchedPages.add(size);
        }

        @Override
        public int slruBlocks(Slru slru, int segment, long lsn) {
            return measure(of(Query.GET_SLRU_SEGMENT), () -> source.slruBlocks(slru, segment, lsn));
        }

        @Override
        public void readSlruPage(Slru slru, int segment, int page, long lsn, byte[] into, int at) {
            source.readSlruPage(slru, segment, page, lsn, into, at);
        }

        @Override
        public ReadView viewAt(long lsn) {
            return source.viewAt(lsn);
        }

        @Override
        public long lease(long lsn) {
            return source.lease(lsn);
        }

        @Override
        public BaseBackup baseBackup(BackupForm form, long lsn) {
            backups.increment();
            return source.baseBackup(form, lsn);
        }
    }
}
