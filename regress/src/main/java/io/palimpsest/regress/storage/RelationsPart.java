package io.palimpsest.regress.storage;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.regress.WorkingDirectory;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalWriting;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalWriter;

/**
 * 100,000 relations of one page each, created, read and dropped by WAL, while compaction runs: what
 * the last ten thousand cost against the first.
 */
final class RelationsPart implements Part {
    private static final int RELATIONS = 100_000;
    private static final int TENTH = RELATIONS / 10;
    private static final int WARM_UP = 5_000;
    private static final int FIRST = 100_000;
    private static final int DATABASE = 5;
    private static final int SMGR_CREATE = 0x10;
    private static final int XLOG_FPI = 0xB0;
    private static final int COMMIT_WITH_INFO = 0x80;
    private static final int DROPS_RELATIONS = 0x004;
    private static final int DROPPED_AT_ONCE = 100;
    private static final int XID = 1000;
    private static final int RECORDS_AT_ONCE = 200;
    private static final long LAYER = 4L << 20;
    private static final int HEADER = 4096;

    private final ByteSink wal = new ByteSink(1 << 20);
    private final byte[] content = new byte[Page.SIZE];
    private final byte[] buffer = new byte[HEADER + Page.SIZE];

    /** What one run over a stretch of relations does. */
    private interface Step {
        void run(int from, int to);
    }

    @Override
    public void run(Setting setting, Report report) {
        WorkingDirectory.link(setting.base(), setting.home());
        Storage storage = new Storage(setting.home(), Storage.limits(LAYER, 64L << 20));
        TenantConfig d = TenantConfig.DEFAULT;
        TenantConfig config =
                new TenantConfig(
                        0,
                        d.gcHorizonBytes(),
                        1_000_000_000L,
                        1_000_000_000L,
                        3,
                        8,
                        LAYER,
                        3,
                        d.leaseNanos());
        Tenants tenants = Tenants.load(storage.environment(), storage.limits(), config);
        Timeline timeline = tenants.timeline(Storage.TENANT.tenant(), Storage.BASE);
        WalWriting writing = new WalWriting(timeline, storage.limits(), timeline.lastRecordLsn());
        WalWriter records =
                new WalWriter(
                        timeline.version(),
                        timeline.lastRecordLsn(),
                        timeline.segmentSize(),
                        timeline.systemIdentifier(),
                        timeline.walTimeline(),
                        timeline.prevRecordLsn(),
                        wal);
        Bytes.putU16(content, 12, Page.HEADER + 4);
        Bytes.putU16(content, 14, Page.SIZE - 64);
        Bytes.putU16(content, 16, Page.SIZE);
        Bytes.putU16(content, 18, Page.SIZE | 4);
        Step create = (from, to) -> create(records, writing, from, to);
        Step read = (from, to) -> read(timeline, from, to);
        Step drop = (from, to) -> drop(records, writing, from, to);
        create.run(0, WARM_UP);
        read.run(0, WARM_UP);
        drop.run(0, WARM_UP);
        measure(report, "created", create);
        measure(report, "read", read);
        measure(report, "dropped", drop);
        tenants.close();
    }

    private static void measure(Report report, String what, Step step) {
        double[] micros = new double[10];
        for (int tenth = 0; tenth < 10; tenth++) {
            int from = WARM_UP + tenth * TENTH;
            long start = System.nanoTime();
            step.run(from, from + TENTH);
            micros[tenth] = (System.nanoTime() - start) / 1e3 / TENTH;
        }
        report.say("relations " + what);
        Row row = new Row();
        row.add(micros[9], micros[0]);
        row.add(micros[8], micros[1]);
        report.cost(
                "relation " + what + ", the last of 100,000",
                "the first of them, by tenths",
                "us",
                row,
                Goal.atMost(1.5),
                "");
    }

    private void create(WalWriter records, WalWriting writing, int from, int to) {
        byte[] main = new byte[16];
        Bytes.putI32(main, 0, RelTag.DEFAULT_TABLESPACE);
        Bytes.putI32(main, 4, DATABASE);
        for (int i = from; i < to; i++) {
            Bytes.putI32(main, 8, FIRST + i);
            records.begin(Rmgr.SMGR, SMGR_CREATE, XID);
            records.mainData(main);
            long _ = records.end();
            records.begin(Rmgr.XLOG, XLOG_FPI, 0);
            records.block(0, RelTag.MAIN, RelTag.DEFAULT_TABLESPACE, DATABASE, FIRST + i, 0);
            records.image(content, true, true);
            long _ = records.end();
            if (i % RECORDS_AT_ONCE == 0 || i == to - 1) {
                send(writing);
            }
        }
    }

    private void drop(WalWriter records, WalWriting writing, int from, int to) {
        for (int i = from; i < to; i += DROPPED_AT_ONCE) {
            int n = Math.min(DROPPED_AT_ONCE, to - i);
            byte[] main = new byte[8 + 4 + 4 + 12 * n];
            Bytes.putI32(main, 8, DROPS_RELATIONS);
            Bytes.putI32(main, 12, n);
            for (int j = 0; j < n; j++) {
                Bytes.putI32(main, 16 + 12 * j, RelTag.DEFAULT_TABLESPACE);
                Bytes.putI32(main, 20 + 12 * j, DATABASE);
                Bytes.putI32(main, 24 + 12 * j, FIRST + i + j);
            }
            records.begin(Rmgr.XACT, COMMIT_WITH_INFO, XID + i / DROPPED_AT_ONCE);
            records.mainData(main);
            long _ = records.end();
            send(writing);
        }
    }

    private void send(WalWriting writing) {
        writing.write(writing.position(), wal.array(), 0, wal.size());
        wal.clear();
    }

    private void read(Timeline timeline, int from, int to) {
        long lsn = timeline.lastRecordLsn();
        for (int i = from; i < to; i++) {
            RelTag tag = new RelTag(RelTag.DEFAULT_TABLESPACE, DATABASE, FIRST + i, RelTag.MAIN);
            timeline.readPage(tag, 0, lsn, buffer, HEADER);
        }
    }
}
