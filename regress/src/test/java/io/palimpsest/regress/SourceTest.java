package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.TimelineId;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * {@code palimpsest source} as an operator uses it, on a real PostgreSQL: one that could be harmed
 * is refused until that is put right; then it is followed and watched, up to the loss of its slot.
 */
class SourceTest {
    private static Scene scene;
    private static String password = "";
    private static Map<String, String> environment = Map.of();

    @BeforeAll
    static void set() throws Exception {
        scene = new Scene("source");
        password = scene.postgres.conninfo().replaceAll(".* password=(\\S+).*", "$1");
        Path passFile = scene.home.resolve("pgpass");
        Files.writeString(passFile, "127.0.0.1:*:replication:postgres:" + password + "\n");
        Files.setPosixFilePermissions(passFile, PosixFilePermissions.fromString("rw-------"));
        environment = Map.of("PGPASSFILE", passFile.toString());
    }

    @AfterAll
    static void clear() {
        scene.close();
    }

    private static String conninfo() {
        return scene.postgres.conninfo().replaceAll(" password=.*", "");
    }

    private static CommandLineRun run(int status, String... arguments) throws Exception {
        return run(environment, status, arguments);
    }

    private static CommandLineRun run(Map<String, String> with, int status, String... arguments)
            throws Exception {
        String[] all = new String[arguments.length + 3];
        all[0] = "source";
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        all[all.length - 2] = "--server";
        all[all.length - 1] = "http://127.0.0.1:" + scene.server.management().getPort();
        CommandLineRun run = CommandLineRun.of(with, all);
        assertEquals(status, run.status(), run.all());
        assertFalse(run.all().contains(password), "a password in the output");
        return run;
    }

    private static void contains(String text, String... words) {
        for (String word : words) {
            assertTrue(text.contains(word), () -> "expected '" + word + "' in: " + text);
        }
    }

    @Test
    void aSourceFromTheFirstLookToALostSlot() throws Exception {
        refusals();
        scene.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '600MB'");
        scene.sql("SELECT pg_reload_conf()");
        contains(run(0, "check", conninfo(), "--slot", "shop").out(), "600 MB", "will be created");
        JsonNode made =
                run(0, "add", "shop", conninfo(), "--tenant", scene.tenant.toString(), "--json")
                        .json();
        TimelineId branch = TimelineId.parse(made.path("timeline_id").asText());
        assertEquals(
                branch.toString(),
                run(0, "add", "shop", conninfo(), "--json").json().path("timeline_id").asText(),
                "the same again makes nothing");
        contains(
                run(4, "check", conninfo(), "--slot", "shop").out(),
                "in use by process",
                "choose another name");
        scene.grow(200);
        contains(
                run(0, "list").out(),
                "shop",
                branch.toString(),
                "postgres@127.0.0.1",
                "streaming from");
        contains(run(0, "status").out(), "reserved, in use", "600 MiB at most", "of WAL a second");
        JsonNode status = run(0, "status", "shop", "--over", "0.5", "--json").json();
        JsonNode slot = status.path("sources").path(0).path("slot_status");
        assertEquals(600L << 20, slot.path("limit_bytes").asLong(), status.toString());
        long retained = slot.path("retained_bytes").asLong();
        assertTrue(retained > 0 && retained < 64 << 20, status.toString());
        assertTrue(slot.path("left_bytes").asLong() > 400L << 20, status.toString());
        contains(run(0, "check", "shop").out(), "in use");
        run(3, "status", "nobody");
        String lsn = scene.detail(branch).path("last_record_lsn").asText();
        contains(
                scene.http("GET", scene.timelinePath(branch) + "/get_timestamp_of_lsn?lsn=" + lsn),
                "200 \"20");
        loses(branch);
        String log = scene.server.log();
        assertFalse(log.contains(password), "a password in the log");
        assertFalse(scene.http("GET", "/metrics").contains(password), "a password in the metrics");
    }

    private void refusals() throws Exception {
        contains(
                run(4, "check", conninfo()).out(),
                "dangerous  -1: without a limit",
                "ALTER SYSTEM SET max_slot_wal_keep_size");
        contains(run(4, "add", "shop", conninfo()).err(), "without a limit", "--i-accept");
        assertEquals("0", scene.sql("SELECT count(*) FROM pg_replication_slots"));
        assertEquals("200 []", scene.http("GET", "/v1/source"));
        assertEquals(0, run(0, "list", "--json").json().path("sources").size());
        contains(
                run(2, "check", conninfo() + " password=" + password).err(),
                "a password in the argument");
        contains(run(Map.of("HOME", "/none"), 4, "check", conninfo()).err(), "asks for a password");
        contains(
                run(Map.of("PGPASSWORD", "wrong"), 4, "check", conninfo()).err(),
                "28P01",
                "pg_hba.conf");
        scene.sql("CREATE ROLE plain LOGIN PASSWORD 'p'");
        contains(
                run(
                                Map.of("PGPASSWORD", "p", "PGUSER", "plain"),
                                4,
                                "check",
                                conninfo().replaceAll(" user=\\S+", ""))
                        .err(),
                "ALTER ROLE plain REPLICATION");
        scene.sql("ALTER ROLE plain REPLICATION");
        scene.sql("REVOKE CONNECT ON DATABASE postgres FROM public");
        contains(
                run(
                                Map.of("PGPASSWORD", "p", "PGUSER", "plain"),
                                4,
                                "check",
                                conninfo().replaceAll(" user=\\S+", ""))
                        .out(),
                "settings",
                "dangerous",
                "not known");
        scene.sql("GRANT CONNECT ON DATABASE postgres TO public");
        contains(
                run(
                                Map.of("PGPASSWORD", "p", "PGUSER", "plain"),
                                4,
                                "check",
                                conninfo().replaceAll(" user=\\S+", ""))
                        .out(),
                "without a limit");
    }

    /** The page server is away, and the source writes more than it may keep. */
    private void loses(TimelineId branch) throws Exception {
        long before = scene.lsn(branch, "disk_consistent_lsn");
        scene.server.kill();
        scene.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
        scene.sql("SELECT pg_reload_conf()");
        String state = "";
        for (int i = 0; i < 50 && !state.equals("lost"); i++) {
            scene.grow(100);
            scene.sql("SELECT pg_switch_wal()");
            scene.sql("CHECKPOINT");
            state = scene.sql("SELECT wal_status FROM pg_replication_slots");
        }
        assertEquals("lost", state);
        scene.server.start();
        scene.awaitStatus(branch, "broken");
        assertTrue(scene.lsn(branch, "last_record_lsn") >= before);
        CommandLineRun status = run(4, "status", "shop");
        contains(
                status.out(),
                "lost",
                "stays readable",
                "palimpsest source add NEW",
                "pg_drop_replication_slot('shop')");
        assertEquals(
                "wrong",
                run(4, "status", "--json").json().path("sources").path(0).path("verdict").asText());
    }
}
