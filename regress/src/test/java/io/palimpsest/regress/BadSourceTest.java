package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * A running source that refuses, goes away or takes the slot away: the error says what to do, what
 * we have stays readable, and where the trouble ends by itself so does our waiting.
 */
class BadSourceTest {
    private static Scene scene;

    @BeforeAll
    static void set() throws Exception {
        scene = new Scene("bad-source");
    }

    @AfterAll
    static void clear() {
        scene.close();
    }

    private static void contains(String text, String... words) {
        for (String word : words) {
            assertTrue(text.contains(word), () -> "expected '" + word + "' in: " + text);
        }
    }

    @Test
    void importsThatCannotBegin() throws Exception {
        TimelineId id = scene.newTimeline();
        String slot = Scene.slot(id);
        String good = scene.postgres.conninfo();
        contains(
                scene.importFails(id, good.replaceAll("password=.*", "password=wrong"), slot),
                "28P01",
                "pg_hba.conf");
        contains(
                scene.importFails(id, good.replaceAll(" password=.*", ""), slot),
                "asks for a password and none is configured");
        scene.sql("CREATE ROLE plain LOGIN PASSWORD 'p'");
        contains(
                scene.importFails(id, good.replaceAll("user=.*", "user=plain password=p"), slot),
                "42501",
                "ALTER ROLE plain REPLICATION");
        contains(
                scene.importFails(id, good.replaceAll("port=\\d+", "port=1"), slot), "127.0.0.1:1");
        contains(
                scene.importFails(id, good.replaceAll("host=\\S+", "host=no.such.invalid"), slot),
                "unknown host");
        contains(scene.importFails(id, good + " user='a\nb'", slot), "control character");
        contains(scene.importFails(id, good, "Bad-Slot"), "is no slot name");
        int http = scene.server.management().getPort();
        contains(
                scene.importFails(id, good.replaceAll("port=\\d+", "port=" + http), slot),
                "does not answer as a PostgreSQL server");
        assertEquals(
                "0",
                scene.sql(
                        "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"
                                + slot
                                + "'"));
        contains(scene.http("GET", scene.timelinePath(id)), "404", "is not here");
        scene.importFrom(id, good, slot);
        scene.awaitStatus(id, "streaming");
        contains(
                scene.importFails(scene.newTimeline(), good, slot),
                "409",
                "each timeline needs its own");
    }

    @Test
    void accessTakenAwayAndGivenBack() throws Exception {
        TimelineId id = scene.imported();
        Path hba = scene.postgres.directory().resolve("hba.conf");
        String before = Files.readString(hba);
        try {
            Files.writeString(hba, before.replaceAll("(?m)^host replication.*$", ""));
            scene.sql("SELECT pg_reload_conf()");
            disconnect(id);
            contains(scene.awaitStatus(id, "28000"), "pg_hba.conf", "host replication");
        } finally {
            Files.writeString(hba, before);
            scene.sql("SELECT pg_reload_conf()");
        }
        long lsn = scene.grow(3);
        scene.awaitArrival(id, lsn);
        scene.awaitStatus(id, "streaming");
        assertTrue(scene.readsTable(id, lsn) > 0);
    }

    @Test
    void aSlotThatIsGone() throws Exception {
        TimelineId id = scene.imported();
        TimelineId other = scene.imported();
        long lsn = scene.grow(3);
        scene.awaitArrival(id, lsn);
        scene.sql(
                "DO $$ BEGIN PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '"
                        + Scene.slot(id)
                        + "'; FOR i IN 1..200 LOOP BEGIN PERFORM pg_drop_replication_slot('"
                        + Scene.slot(id)
                        + "'); RETURN; EXCEPTION WHEN object_in_use THEN PERFORM pg_sleep(0.01); END; END LOOP; RAISE 'still in use'; END $$");
        contains(scene.awaitStatus(id, "broken"), "is gone from the source", "import");
        scene.assertLoggedOnce("walreceiver-broken", id);
        assertEquals(scene.lsn(id, "last_record_lsn"), scene.lsn(id, "disk_consistent_lsn"));
        assertTrue(scene.readsTable(id, lsn) > 0);
        long later = scene.grow(3);
        contains(scene.refusal(id, later), "will not come", "is gone from the source");
        scene.awaitArrival(other, later);
        assertTrue(scene.readsTable(other, later) > 0);
    }

    @Test
    void aRestartOfTheSourceIsWaitedFor() throws Exception {
        TimelineId id = scene.imported();
        long last = scene.grow(3);
        scene.awaitArrival(id, last);
        scene.postgres.stop(Duration.ofSeconds(30));
        contains(scene.awaitStatus(id, "waiting to connect again", "127.0.0.1"), "onnect");
        assertTrue(scene.readsTable(id, last) > 0);
        scene.postgres.start();
        long lsn = scene.grow(3);
        scene.awaitArrival(id, lsn);
        scene.postgres.kill();
        scene.postgres.start();
        lsn = scene.grow(3);
        scene.awaitArrival(id, lsn);
        assertTrue(scene.readsTable(id, lsn) > 0);
    }

    @Test
    void theSlotNeverPassesWhatIsDurable() throws Exception {
        TimelineId id = scene.imported();
        String question =
                "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '"
                        + Scene.slot(id)
                        + "'";
        for (int round = 0; round < 3; round++) {
            long lsn = scene.grow(50);
            scene.awaitArrival(id, lsn);
            for (int i = 0; i < 5; i++) {
                long restart = Lsn.parse(scene.sql(question)).value();
                long durable = scene.lsn(id, "disk_consistent_lsn");
                assertTrue(
                        Long.compareUnsigned(restart, durable) <= 0,
                        Lsn.toString(restart) + " > " + Lsn.toString(durable));
                Pause.millis(100);
            }
            if (round == 1) {
                contains(scene.http("PUT", scene.timelinePath(id) + "/checkpoint"), "200");
                long durable = scene.lsn(id, "disk_consistent_lsn");
                assertTrue(durable >= lsn);
                Scene.await(
                        () -> {
                            try {
                                return Lsn.parse(scene.sql(question)).value() >= durable;
                            } catch (java.sql.SQLException e) {
                                throw new IllegalStateException(e);
                            }
                        },
                        () -> "the slot stays behind");
            }
            scene.server.kill();
            long restart = Lsn.parse(scene.sql(question)).value();
            scene.server.start();
            long durable = scene.lsn(id, "disk_consistent_lsn");
            assertTrue(
                    Long.compareUnsigned(restart, durable) <= 0,
                    Lsn.toString(restart) + " > " + Lsn.toString(durable));
            scene.awaitArrival(id, lsn);
            assertTrue(scene.readsTable(id, lsn) > 0);
        }
        assertFalse(scene.server.log().contains("task-failed"), scene.server.logTail());
    }

    private static void disconnect(TimelineId id) throws Exception {
        scene.sql(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '"
                        + Scene.slot(id)
                        + "'");
    }
}
