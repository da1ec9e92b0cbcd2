package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.server.connect.BackupClient;
import io.palimpsest.server.connect.UnpackedBackup;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** An unmodified PostgreSQL starts from what a branch was at an LSN. */
class StartedBackupTest {
    @Test
    void aBranchOfThePastIsAServerOfItsOwn() throws Exception {
        try (Scene scene = new Scene("started")) {
            TimelineId main = scene.imported();
            scene.sql("CREATE UNLOGGED TABLE u (n int)");
            scene.sql("INSERT INTO u VALUES (1)");
            scene.sql("CREATE TABLE p (n int PRIMARY KEY)");
            scene.sql("BEGIN; INSERT INTO p VALUES (7); PREPARE TRANSACTION 'later'");
            Path space = scene.postgres.writableDirectory("space");
            scene.sql("CREATE TABLESPACE elsewhere LOCATION '" + space + "'");
            scene.sql("CREATE TABLE far TABLESPACE elsewhere AS SELECT generate_series(1, 1000) n");
            String sum = "SELECT count(*) || ' ' || sum(n) FROM t";
            long then = scene.grow(30);
            String before = scene.sql(sum);
            scene.sql("DELETE FROM t WHERE n % 3 = 0");
            scene.sql("VACUUM FULL t");
            scene.awaitArrival(main, scene.grow(5));
            String after = scene.sql(sum);

            for (int round = 0; round < 2; round++) {
                boolean past = round == 0;
                Path home = scene.home.resolve("copy" + round);
                Files.createDirectories(home);
                try (UnpackedBackup backup =
                        new UnpackedBackup(home.resolve("data"), home.resolve("tablespaces"))) {
                    BackupClient.stock(
                            scene.server.pageService(),
                            scene.tenant,
                            main,
                            past ? Lsn.toString(then) : "latest",
                            backup::push);
                    backup.finish();
                    assertTrue(backup.files() > 500, () -> backup.files() + " files");
                }
                Files.writeString(home.resolve("data/postgresql.conf"), "");
                try (EmbeddedPostgres copy = scene.postgres.over(home)) {
                    copy.start();
                    assertEquals(past ? before : after, Scene.sql(copy, sum));
                    assertEquals("0", Scene.sql(copy, "SELECT count(*) FROM u"));
                    assertEquals("1000", Scene.sql(copy, "SELECT count(*) FROM far"));
                    assertEquals("0", Scene.sql(copy, "SELECT count(*) FROM p"));
                    Scene.sql(copy, "COMMIT PREPARED 'later'");
                    assertEquals("7", Scene.sql(copy, "SELECT n FROM p"));
                    Scene.sql(copy, "INSERT INTO u SELECT n FROM t");
                    Scene.sql(copy, "CHECKPOINT");
                    copy.kill();
                    copy.start();
                    assertEquals("7", Scene.sql(copy, "SELECT n FROM p"));
                }
            }
            assertEquals(after, scene.sql(sum));
        }
    }
}
