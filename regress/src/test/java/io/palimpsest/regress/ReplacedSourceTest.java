package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * While the page server is down, somebody puts another server, an older copy, or a promoted standby
 * in the source's place, or lets it recycle WAL. Each timeline then says which it was and what to
 * do, never tries for ever, serves what it has, and does not disturb the one that follows on. Only
 * the standby that has all there is goes on from it, and is followed.
 *
 * <pre>
 *   source    ---- moment 0 ---- WAL, streamed to all ---- moment 1 ----&gt;
 *   older          \-- as it was, WAL timeline 1
 *   forked         \-- promoted: WAL timeline 2, then beyond moment 1
 *   promoted                                                 \-- promoted: WAL timeline 2
 * </pre>
 */
class ReplacedSourceTest {
    private static final Duration STOP = Duration.ofSeconds(30);

    private final List<AutoCloseable> open = new ArrayList<>();

    @Test
    void eachTimelineSaysWhatHappenedToItsSource() throws Exception {
        try (Scene scene = new Scene("replaced-source")) {
            run(scene);
        } finally {
            for (AutoCloseable each : open) {
                each.close();
            }
        }
    }

    private EmbeddedPostgres copy(Scene scene, String name, boolean standby) throws Exception {
        EmbeddedPostgres copy = scene.postgres.standby(scene.home.resolve(name));
        open.add(copy);
        if (!standby) {
            Files.delete(copy.data().resolve("standby.signal"));
        }
        copy.start();
        return copy;
    }

    private static void promote(EmbeddedPostgres standby) throws Exception {
        assertEquals("t", Scene.sql(standby, "SELECT pg_promote(true, 60)"));
    }

    private EmbeddedPostgres other(Scene scene, int major, String name) {
        Path directory = scene.home.resolve(name);
        EmbeddedPostgres other =
                EmbeddedPostgres.create(PostgresBinaries.fetch(major), directory, Scene.SETTINGS);
        open.add(other);
        other.start();
        return other;
    }

    private void run(Scene scene) throws Exception {
        EmbeddedPostgres source = scene.postgres;
        source.stop(STOP);
        EmbeddedPostgres older = copy(scene, "older", false);
        EmbeddedPostgres forked = copy(scene, "forked", true);
        promote(forked);
        source.start();

        TimelineId toOlder = scene.imported();
        TimelineId toForked = scene.imported();
        TimelineId toPromoted = scene.imported();
        TimelineId toOther = scene.imported();
        TimelineId toOtherVersion = scene.imported();
        TimelineId recycled = scene.imported();
        List<TimelineId> broken = List.of(toOlder, toForked, toOther, toOtherVersion, recycled);
        List<TimelineId> all = new ArrayList<>(broken);
        all.add(toPromoted);
        long lsn = scene.grow(20);
        for (TimelineId id : all) {
            scene.awaitArrival(id, lsn);
        }
        source.stop(STOP);
        EmbeddedPostgres promoted = copy(scene, "promoted", true);
        promote(promoted);
        source.start();
        scene.server.stop();

        scene.redirect(toOlder, older);
        scene.redirect(toForked, forked);
        scene.redirect(toPromoted, promoted);
        scene.redirect(toOther, other(scene, Scene.MAJOR, "other"));
        scene.redirect(toOtherVersion, other(scene, Scene.MAJOR == 16 ? 17 : 16, "version"));
        createSlot(forked, toForked);
        while (Long.compareUnsigned(
                        Lsn.parse(Scene.sql(forked, "SELECT pg_current_wal_flush_lsn()")).value(),
                        lsn + (1 << 20))
                < 0) {
            Scene.sql(forked, "INSERT INTO t VALUES (1)");
            Scene.sql(forked, "SELECT pg_switch_wal()");
        }
        recycleWal(scene);
        createSlot(source, recycled);
        scene.server.start();

        TimelineId fine = scene.imported();
        says(scene, toOlder, "has WAL up to", "lost WAL or was restored", "import the source");
        says(
                scene,
                toForked,
                "is on WAL timeline 2",
                "the source's cluster has lost",
                "import the source");
        scene.awaitStatus(toPromoted, "streaming");
        says(scene, toOther, "another cluster: system identifier");
        says(scene, toOtherVersion, "runs PostgreSQL", "this timeline holds " + Scene.MAJOR);
        says(scene, recycled, "recycled the WAL", "max_slot_wal_keep_size");
        long later = scene.grow(5);
        scene.awaitArrival(fine, later);
        assertTrue(scene.readsTable(fine, later) > 0);
        for (TimelineId id : all) {
            assertTrue(scene.readsTable(id, lsn) > 0);
        }
        for (TimelineId id : broken) {
            assertEquals(scene.lsn(id, "last_record_lsn"), scene.lsn(id, "disk_consistent_lsn"));
            scene.assertLoggedOnce("walreceiver-broken", id);
        }
        Scene.sql(promoted, "INSERT INTO t SELECT i FROM generate_series(1, 9000) i");
        long onSecond =
                Lsn.parse(Scene.sql(promoted, "SELECT pg_current_wal_insert_lsn()")).value();
        scene.awaitArrival(toPromoted, onSecond);
        assertTrue(scene.readsTable(toPromoted, onSecond) > scene.readsTable(toPromoted, lsn));
        long commands =
                scene.server.log().lines().filter(l -> l.contains("walreceiver-waiting")).count();
        assertTrue(commands < 40, "a reconnect loop? " + commands + "\n" + scene.server.logTail());
    }

    private static void says(Scene scene, TimelineId id, String... words) {
        String status = scene.awaitStatus(id, "broken");
        for (String word : words) {
            assertTrue(status.contains(word), "expected '" + word + "' in: " + status);
        }
    }

    private static void createSlot(EmbeddedPostgres on, TimelineId id) throws Exception {
        Scene.sql(on, "SELECT pg_create_physical_replication_slot('" + Scene.slot(id) + "', true)");
    }

    /** Nobody keeps WAL, and there is enough new WAL that old segments go. */
    private static void recycleWal(Scene scene) throws Exception {
        scene.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
        for (int i = 0; i < 3; i++) {
            scene.grow(1);
            scene.sql("SELECT pg_switch_wal()");
            scene.sql("CHECKPOINT");
        }
    }
}
