package io.palimpsest.regress.storage;

import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.RelTag;
import io.palimpsest.regress.ManagementClient;
import io.palimpsest.regress.Pause;
import io.palimpsest.regress.ServerProcess;
import io.palimpsest.regress.storage.PagesProgram.Burst;
import io.palimpsest.regress.storage.PagesProgram.Table;
import io.palimpsest.regress.storage.Report.Row;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * Pages that are in memory, asked for over a socket: of our page service, of a program in C that
 * only moves as many bytes, and of PostgreSQL itself by {@code get_raw_page}; in turn, by one
 * client.
 */
final class HotPages {
    private static final TenantId TENANT = new TenantId(7, 7);
    private static final TimelineId TIMELINE = new TimelineId(7, 7);
    private static final String USER = "postgres";
    private static final int DEEP = 64;
    private static final int WARM_UPS = 5;

    private final int major;
    private final int rounds;
    private final double seconds;
    private final int idle;
    private final Report report;
    private final Row shallow = new Row();
    private final Row shallowToQuery = new Row();
    private final Row deep = new Row();
    private final Row deepToQuery = new Row();
    private final Row cpu = new Row();
    private final Row cpuBesideIdle = new Row();
    private final Row p50 = new Row();
    private final Row p99 = new Row();
    private final Row noise = new Row();

    /**
     * @param seconds of each burst
     * @param idle connections that do nothing, for the part with many of them
     */
    HotPages(int major, int rounds, double seconds, int idle, Report report) {
        this.major = major;
        this.rounds = rounds;
        this.seconds = seconds;
        this.idle = idle;
        this.report = report;
    }

    void run(Path home, Path program) throws IOException, InterruptedException {
        Path hba = home.resolve("trust.conf");
        Files.writeString(
                hba, "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n");
        try (EmbeddedPostgres postgres =
                        EmbeddedPostgres.create(
                                PostgresBinaries.fetch(major),
                                home.resolve("postgres"),
                                Map.of("shared_buffers", "128MB", "hba_file", hba.toString()));
                ServerProcess server = new ServerProcess(home);
                PagesProgram c = new PagesProgram(program)) {
            postgres.start();
            server.start();
            Table table = imported(postgres, server);
            report.say("warm-up");
            warmUp(c, server, table);
            for (int round = 1; round <= rounds; round++) {
                report.say("round " + round);
                round(c, server, postgres, table);
            }
            server.stop();
        }
        tell();
    }

    private Table imported(EmbeddedPostgres postgres, ServerProcess server) {
        BackupLoad.run(
                postgres,
                "CREATE EXTENSION pageinspect",
                "CREATE TABLE stills (id int, filler char(200))",
                "INSERT INTO stills SELECT i, i::text FROM generate_series(1, 66000) i",
                "VACUUM (FREEZE) stills",
                "CHECKPOINT");
        int blocks =
                Integer.parseInt(
                        BackupLoad.ask(postgres, "SELECT pg_relation_size('stills') / 8192"));
        RelTag tag = BackupLoad.table(postgres, "stills");
        try (ManagementClient management = new ManagementClient(server.management())) {
            management.importFrom(TENANT, TIMELINE, postgres.conninfo(), "pages");
            long from = management.lsn(TENANT, TIMELINE, "applied_gc_cutoff_lsn");
            while (management.lsn(TENANT, TIMELINE, "last_record_lsn") < from) {
                Pause.millis(20);
            }
            return new Table(tag, blocks, from);
        }
    }

    /** Until the server's code is compiled: what counts is its own time, not the compiler's. */
    private void warmUp(PagesProgram c, ServerProcess server, Table table)
            throws IOException, InterruptedException {
        int port = server.pageService().getPort();
        for (int i = 0; i < WARM_UPS; i++) {
            for (int depth : new int[] {DEEP, 1}) {
                Burst _ = c.pageService(port, TENANT, TIMELINE, table, depth, seconds);
            }
        }
    }

    private void round(PagesProgram c, ServerProcess server, EmbeddedPostgres postgres, Table table)
            throws IOException, InterruptedException {
        int port = server.pageService().getPort();
        long before = c.serverCpuNanos();
        Burst peer = c.peer(table, 1, seconds);
        double peerCpu = micros(c.serverCpuNanos() - before, peer);
        before = server.cpuNanos();
        Burst ours = c.pageService(port, TENANT, TIMELINE, table, 1, seconds);
        double ourCpu = micros(server.cpuNanos() - before, ours);
        Burst query =
                c.query(
                        postgres.port(),
                        USER,
                        table.blocks(),
                        seconds,
                        "SELECT get_raw_page('stills', $1)");
        Burst peerDeep = c.peer(table, DEEP, seconds);
        Burst oursDeep = c.pageService(port, TENANT, TIMELINE, table, DEEP, seconds);
        Burst again = c.peer(table, 1, seconds);
        double crowded;
        try (PagesProgram.Idle _ = c.hold(port, idle, TENANT, TIMELINE)) {
            before = server.cpuNanos();
            Burst beside = c.pageService(port, TENANT, TIMELINE, table, 1, seconds);
            crowded = micros(server.cpuNanos() - before, beside);
        }
        shallow.add(ours.rate(), peer.rate());
        shallowToQuery.add(ours.rate(), query.rate());
        deep.add(oursDeep.rate(), peerDeep.rate());
        deepToQuery.add(oursDeep.rate(), query.rate());
        cpu.add(ourCpu, peerCpu);
        cpuBesideIdle.add(crowded, ourCpu);
        p50.add(ours.p50(), peer.p50());
        p99.add(ours.p99(), peer.p99());
        noise.add(Math.max(peer.rate(), again.rate()) / Math.min(peer.rate(), again.rate()));
    }

    private static double micros(long nanos, Burst burst) {
        return nanos / 1e3 / burst.pages();
    }

    private void tell() {
        String c = "ping-pong in C";
        String raw = "get_raw_page, prepared, binary, one connection";
        report.rate("hot page, depth 1", c, "pages/s", shallow, Goal.atLeast(0.5), "");
        report.rate("hot page, depth 1", raw, "pages/s", shallowToQuery, Goal.atLeast(2), "");
        report.rate("hot page, depth 64", c, "pages/s", deep, Goal.atLeast(0.4), "");
        report.rate("hot page, depth 64", raw, "pages/s", deepToQuery, null, "");
        report.cost(
                "processor time of the server a hot page, depth 1",
                c,
                "us",
                cpu,
                Goal.atMost(2),
                "user and system, garbage collector and compiler included");
        report.cost(
                "  the same beside " + idle + " idle connections",
                "without them",
                "us",
                cpuBesideIdle,
                Goal.atMost(1.2),
                "");
        report.cost("p50 of a hot page, depth 1", c, "us", p50, null, "");
        report.cost("p99 of a hot page, depth 1", c, "us", p99, Goal.atMost(4), "");
        report.value(
                "ping-pong in C, twice in a round: more than 1.5 voids the run",
                "times",
                noise,
                null,
                "how much else the machine did");
    }
}
