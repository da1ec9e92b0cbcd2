package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * An unmodified PostgreSQL on a branch as of an LSN: by {@code palimpsest connect}, and by hand
 * with what that never does, being killed.
 */
class ConnectTest {
    @Test
    void aBranchOfThePastIsAServerOfItsOwn() throws Exception {
        try (Scene scene = new Scene("connect")) {
            TimelineId main = scene.imported();
            scene.sql("CREATE UNLOGGED TABLE u (n int)");
            scene.sql("INSERT INTO u VALUES (1)");
            scene.sql("CREATE TABLE p (n int PRIMARY KEY)");
            scene.sql("BEGIN; INSERT INTO p VALUES (7); PREPARE TRANSACTION 'later'");
            Path space = scene.postgres.writableDirectory("space");
            scene.sql("CREATE TABLESPACE elsewhere LOCATION '" + space + "'");
            scene.sql("CREATE TABLE far TABLESPACE elsewhere AS SELECT generate_series(1, 1000) n");
            long then = scene.grow(30);
            TableSums before = TableSums.read(scene.postgres::jdbcUrl);
            scene.sql("DELETE FROM t WHERE n % 3 = 0");
            scene.sql("VACUUM FULL t");
            scene.sql("DELETE FROM far WHERE n % 2 = 0");
            scene.awaitArrival(main, scene.grow(5));
            TableSums after = TableSums.read(scene.postgres::jdbcUrl);

            byCommandLine(scene, main, then, before);
            byHand(scene, main, after);
            assertEquals(List.of(), after.differences(TableSums.read(scene.postgres::jdbcUrl)));
        }
    }

    private static void byCommandLine(Scene scene, TimelineId main, long then, TableSums before)
            throws Exception {
        Path home = scene.home.resolve("copies");
        Path bin = PostgresBinaries.fetch(Scene.MAJOR).home().resolve("bin");
        JsonNode listed;
        try (ConnectedCopy copy =
                ConnectedCopy.start(scene.server, scene.tenant, main, then, home, bin)) {
            assertEquals(List.of(), before.differences(TableSums.read(copy::jdbcUrl)));
            assertEquals(List.of(), copy.damage());
            listed = copy.list();
            assertEquals(1, listed.size());
            assertTrue(listed.get(0).get("running").asBoolean());
            assertTrue(copy.firstSelectSeconds() > copy.branchSeconds());
            for (String setting : List.of("archive_mode=off", "max_wal_senders=0")) {
                String name = setting.substring(0, setting.indexOf('='));
                assertEquals(setting, name + "=" + copy.sql("SHOW " + name));
            }
        }
        assertFalse(Files.exists(Path.of(listed.get(0).get("directory").asText())));
        String branch = listed.get(0).get("branch").asText();
        assertEquals(
                "404",
                scene.http("GET", scene.timelinePath(TimelineId.parse(branch))).substring(0, 3),
                "its branch has gone with it");
        IllegalStateException refused =
                assertThrows(
                        IllegalStateException.class,
                        () ->
                                ConnectedCopy.start(
                                                scene.server,
                                                scene.tenant,
                                                main,
                                                0xFFFF_0000_0000L,
                                                home,
                                                bin)
                                        .close());
        assertTrue(String.valueOf(refused.getMessage()).contains("FFFF/0"), refused.getMessage());
    }

    private static void byHand(Scene scene, TimelineId main, TableSums after) throws Exception {
        Path home = scene.home.resolve("by-hand");
        Files.createDirectories(home);
        Path data = home.resolve("data");
        long bytes =
                ConnectedCopy.export(scene.server, scene.tenant, main, "--to", data)
                        .get("bytes")
                        .asLong();
        Files.writeString(data.resolve("postgresql.conf"), "");
        Path archive = home.resolve("all.tar");
        ConnectedCopy.export(scene.server, scene.tenant, main, "--tar", archive);
        assertEquals(bytes, Files.size(archive));
        assertThrows(
                IllegalStateException.class,
                () -> ConnectedCopy.export(scene.server, scene.tenant, main, "--to", data),
                "what is there is not overwritten");
        String branches = scene.http("GET", "/v1/tenant/" + scene.tenant + "/timeline");
        assertEquals(2, branches.split("\"timeline_id\"", -1).length, "its branches are gone");
        try (EmbeddedPostgres copy = scene.postgres.over(home)) {
            copy.start();
            assertEquals(List.of(), after.differences(TableSums.read(copy::jdbcUrl)));
            assertEquals("0", Scene.sql(copy, "SELECT count(*) FROM u"));
            Scene.sql(copy, "COMMIT PREPARED 'later'");
            Scene.sql(copy, "INSERT INTO u SELECT n FROM t");
            Scene.sql(copy, "INSERT INTO far SELECT 1");
            copy.kill();
            copy.start();
            assertEquals("7", Scene.sql(copy, "SELECT n FROM p"));
            assertEquals("501", Scene.sql(copy, "SELECT count(*) FROM far"));
            assertEquals("0", Scene.sql(copy, "SELECT count(*) FROM u"));
        }
    }
}
