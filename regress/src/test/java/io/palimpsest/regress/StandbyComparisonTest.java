package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Lsn;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.regress.PageSource.Answer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The comparison itself put to the test, by PostgreSQL's own redo: a physical standby that has
 * replayed the whole workload must be equal to its primary under our rules, and anything beyond
 * them must be found. Other versions and seeds: {@code -Dpg=14 -Dseed=7 -Drounds=3}.
 */
class StandbyComparisonTest {
    private static final int MAJOR = Integer.getInteger("pg", 17);
    private static final long SEED = Long.getLong("seed", 1);
    private static final int ROUNDS = Integer.getInteger("rounds", 1);
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private static final Set<String> INDEXES_AND_HEAPS =
            new TreeSet<>(
                    List.of("heap", "toast", "btree", "hash", "gin", "gist", "spgist", "brin"));

    private static Path home = Path.of("");
    private static DataDirectory primary;
    private static DataDirectory standby;
    private static Catalog catalog;
    private static long startLsn;

    @BeforeAll
    static void replicate() throws Exception {
        home = EmbeddedPostgres.temporaryDirectory("standby-comparison-");
        Map<String, String> settings =
                Map.of("allow_in_place_tablespaces", "on", "wal_keep_size", "8GB");
        try (EmbeddedPostgres first =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(MAJOR), home.resolve("primary"), settings)) {
            first.start();
            Workload workload = new Workload(first::jdbcUrl, name -> "", MAJOR, SEED, name -> {});
            workload.prepare();
            first.stop(LIMIT);
            startLsn = DataDirectory.open(first.data()).lsn();
            try (EmbeddedPostgres second = first.standby(home.resolve("standby"))) {
                first.start();
                second.start();
                for (int round = 1; round <= ROUNDS; round++) {
                    workload.round(round);
                }
                catalog = Catalog.read(first::jdbcUrl);
                first.stop(LIMIT);
                primary = DataDirectory.copy(first.data(), home.resolve("primary-copy"));
                awaitReplay(second, primary.lsn());
                second.stop(LIMIT);
                standby = DataDirectory.copyOfStandby(second.data(), home.resolve("standby-copy"));
            }
        }
    }

    @AfterAll
    static void remove() {
        EmbeddedPostgres.deleteDirectory(home);
    }

    private static void awaitReplay(EmbeddedPostgres server, long lsn) throws Exception {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (Long.compareUnsigned(replayed(server), lsn) < 0) {
            assertTrue(System.nanoTime() < end, "the standby is late:\n" + server.logTail());
            Thread.sleep(50);
        }
    }

    private static long replayed(EmbeddedPostgres server) throws SQLException {
        try (Connection connection = DriverManager.getConnection(server.jdbcUrl("postgres"));
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT pg_last_wal_replay_lsn()")) {
            assertTrue(row.next());
            return Lsn.parse(row.getString(1)).value();
        }
    }

    private static ComparisonReport compare(PageSource source) {
        return new DataDirectoryComparison(
                        primary, catalog, source, primary.lsn(), startLsn, home.resolve("evidence"))
                .run();
    }

    @Test
    void whatPostgresReplaysIsEqual() {
        ComparisonReport report = compare(new DirectorySource(standby));
        System.out.println(report.text());
        assertEquals(0, report.total().mismatches, report.text());
        assertEquals(0, report.of("uncatalogued").pages, report.text());
        for (String kind :
                new String[] {
                    "heap",
                    "toast",
                    "btree",
                    "hash",
                    "gin",
                    "gist",
                    "spgist",
                    "brin",
                    "bloom",
                    "matview",
                    "catalog heap",
                    "visibility map"
                }) {
            assertTrue(report.of(kind).changed > 0, kind + " has not changed\n" + report.text());
        }
        assertTrue(report.of("sequence").pages > 0 && report.of("init").pages > 0, report.text());
        assertTrue(report.of("pg_multixact/members").pages > 1, report.text());
        assertTrue(report.of("pg_commit_ts").pages > 0, report.text());
    }

    @Test
    void aChangedByteIsFoundInEachKind() {
        Set<String> left = new TreeSet<>(INDEXES_AND_HEAPS);
        DirectorySource source = new DirectorySource(primary);
        source.page =
                (tag, bytes) -> {
                    int at = itemEnd(bytes);
                    if (tag.fork() == RelTag.MAIN && at > 0 && left.remove(label(tag))) {
                        bytes[at] ^= 1;
                    }
                    return new Answer.Pages(bytes);
                };
        ComparisonReport report = compare(source);
        for (String kind : INDEXES_AND_HEAPS) {
            assertEquals(1, report.of(kind).mismatches, kind + "\n" + report.text());
        }
        assertEquals(INDEXES_AND_HEAPS.size(), report.total().mismatches, report.text());
        assertTrue(Files.exists(home.resolve("evidence/mismatch-1-postgres.page")));
        assertTrue(Files.exists(home.resolve("evidence/mismatch-1-pageserver.page")));
    }

    /** A byte within the first item's data, 0 where there is none. */
    private static int itemEnd(byte[] page) {
        if (Page.isNew(page) || Page.lower(page) < 28) {
            return 0;
        }
        int lp = Page.linePointer(page, 1);
        int at = Page.lpOffset(lp);
        int length = Page.lpLength(lp);
        boolean normal = Page.lpFlags(lp) == Page.LP_NORMAL;
        return normal && length >= 16 && at > 28 && at + length <= Page.special(page)
                ? at + length - 1
                : 0;
    }

    /**
     * Sequences, bloom's pages of generic WAL, unlogged tables' init forks: a byte of the content.
     */
    @Test
    void aChangedByteIsFoundInOtherPages() {
        Set<String> kinds = new TreeSet<>(List.of("sequence", "bloom", "init"));
        Set<String> left = new TreeSet<>(kinds);
        DirectorySource source = new DirectorySource(primary);
        source.page =
                (tag, bytes) -> {
                    String kind = tag.fork() == RelTag.INIT ? "init" : label(tag);
                    boolean data = tag.fork() == RelTag.MAIN || tag.fork() == RelTag.INIT;
                    if (data && !Page.isNew(bytes) && left.remove(kind)) {
                        bytes[18] ^= 1; // page size and layout version
                    }
                    return new Answer.Pages(bytes);
                };
        ComparisonReport report = compare(source);
        for (String kind : kinds) {
            assertEquals(1, report.of(kind).mismatches, kind + "\n" + report.text());
        }
        assertEquals(kinds.size(), report.total().mismatches, report.text());
    }

    /** In what is in use of each: the first page that is not all zeros. */
    @Test
    void aChangedByteIsFoundInEachSlru() {
        Set<Slru> left = EnumSet.allOf(Slru.class);
        DirectorySource source = new DirectorySource(primary);
        source.segment =
                (slru, bytes) -> {
                    for (int at = 0; at < bytes.length; at++) {
                        if (bytes[at] != 0 && left.remove(slru)) {
                            bytes[at] ^= (byte) 0xFF;
                            break;
                        }
                    }
                    return new Answer.Pages(bytes);
                };
        ComparisonReport report = compare(source);
        assertEquals(Set.of(), left, "nothing in them");
        for (Slru slru : Slru.values()) {
            assertEquals(1, report.of(slru.directory()).mismatches, slru + "\n" + report.text());
        }
        assertEquals(Slru.values().length, report.total().mismatches, report.text());
    }

    @Test
    void aVisibilityMapBitIsFound() {
        DirectorySource source = new DirectorySource(primary);
        AtomicInteger left = new AtomicInteger(1);
        source.page =
                (tag, bytes) -> {
                    if (tag.fork() == RelTag.VM
                            && !Page.isNew(bytes)
                            && left.getAndDecrement() == 1) {
                        bytes[24] ^= 1;
                    }
                    return new Answer.Pages(bytes);
                };
        ComparisonReport report = compare(source);
        assertEquals(1, report.of("visibility map").mismatches, report.text());
        assertEquals(1, report.total().mismatches, report.text());
    }

    @Test
    void aMissingRelationIsAMismatchInBothDirections() {
        DirectorySource whole = new DirectorySource(primary);
        RelTag gone =
                primary.forks().stream()
                        .map(PageSource.Fork::tag)
                        .filter(t -> t.fork() == RelTag.MAIN && "heap".equals(label(t)))
                        .findFirst()
                        .orElseThrow();
        int blocks =
                primary.forks().stream()
                        .filter(f -> f.tag().equals(gone))
                        .findFirst()
                        .orElseThrow()
                        .blocks();
        ComparisonReport missing = compare(new Tampered(whole, gone, false));
        assertEquals(Math.max(1, blocks), missing.total().mismatches, missing.text());
        ComparisonReport extra = compare(new Tampered(whole, gone, true));
        assertEquals(1, extra.total().mismatches, extra.text());
    }

    private static String label(RelTag tag) {
        Catalog.Relation relation = catalog.find(tag);
        return relation == null ? "" : relation.label();
    }

    @Test
    void refusedForWantOfRedoIsCountedAndNeverEqual() {
        DirectorySource source = new DirectorySource(primary);
        source.page =
                (tag, bytes) ->
                        "gin".equals(label(tag))
                                ? new Answer.Refused("redo: no redo for gin record 0x20")
                                : new Answer.Pages(bytes);
        ComparisonReport report = compare(source);
        assertEquals(0, report.total().mismatches, report.text());
        assertTrue(report.of("gin").unsupported > 0);
        assertEquals(0, report.of("gin").pages);
        source.page =
                (tag, bytes) ->
                        "gin".equals(label(tag))
                                ? new Answer.Refused("read error")
                                : new Answer.Pages(bytes);
        assertTrue(compare(source).of("gin").mismatches > 0);
    }

    @Test
    void recordEndsMindPageAndSegmentHeaders() {
        int segment = 16 << 20;
        assertEquals(0x28 + 120, DataDirectory.recordEnd(0x28, 114, segment));
        assertEquals(8192 + 24 + 120 - 8, DataDirectory.recordEnd(8192 - 8, 114, segment));
        assertEquals(segment + 40 + 120 - 8, DataDirectory.recordEnd(segment - 8, 114, segment));
        assertEquals(8192, DataDirectory.recordEnd(8192 - 120, 114, segment));
    }

    /** Without one relation, or with one that is not there. */
    private record Tampered(PageSource of, RelTag tag, boolean extra) implements PageSource {
        @Override
        public Keyspace keyspace(long lsn) {
            Keyspace all = of.keyspace(lsn);
            List<Fork> forks = new ArrayList<>(all.relations());
            if (extra) {
                forks.add(new Fork(new RelTag(tag.spc(), tag.db(), 0x7FFF_FFFF, RelTag.MAIN), 0));
            } else {
                forks.removeIf(f -> f.tag().equals(tag));
            }
            return new Keyspace(forks, all.slruSegments());
        }

        @Override
        public List<Answer> pages(RelTag t, int first, int count, long lsn) {
            return of.pages(t, first, count, lsn);
        }

        @Override
        public Answer slruSegment(Slru slru, int segment, long lsn) {
            return of.slruSegment(slru, segment, lsn);
        }
    }
}
