package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.TimelineId;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * A source that is paused gives nothing, over kills of the page server too, and then all there is.
 */
class SourcePauseTest {
    @Test
    void pausedUntilItIsTakenBack() throws Exception {
        try (Scene scene = new Scene("pause")) {
            TimelineId id = scene.imported();
            long before = scene.arrived(id);
            CommandLineRun refused = run(scene, 4, "pause", id.toString());
            assertTrue(refused.err().contains("max_slot_wal_keep_size"), refused.all());
            CommandLineRun paused = run(scene, 0, "pause", id.toString(), "--i-accept");
            assertTrue(paused.err().contains("the slot keeps"), paused.all());
            assertEquals("f", slotIsActive(scene));
            long later = scene.grow(50);
            scene.server.kill();
            scene.server.start();
            scene.awaitStatus(id, "paused", "source resume");
            assertEquals("f", slotIsActive(scene));
            assertTrue(scene.lsn(id, "last_record_lsn") < later, "WAL of a paused source arrives");
            assertTrue(scene.lsn(id, "last_record_lsn") >= before, "what had arrived is gone");
            var _ = run(scene, 0, "resume", id.toString());
            scene.awaitArrival(id, later);
            assertEquals("t", slotIsActive(scene));
            scene.assertLoggedOnce("walreceiver-paused", id);
            scene.assertLoggedOnce("walreceiver-resumed", id);
        }
    }

    private static CommandLineRun run(Scene scene, int status, String... words) throws Exception {
        String[] all = new String[words.length + 1];
        all[0] = "source";
        System.arraycopy(words, 0, all, 1, words.length);
        CommandLineRun run =
                CommandLineRun.of(
                        Map.of(
                                "PALIMPSEST_SERVER",
                                "http://127.0.0.1:" + scene.server.management().getPort()),
                        all);
        assertEquals(status, run.status(), run.all());
        return run;
    }

    private static String slotIsActive(Scene scene) throws Exception {
        return scene.sql("SELECT active FROM pg_replication_slots");
    }
}
