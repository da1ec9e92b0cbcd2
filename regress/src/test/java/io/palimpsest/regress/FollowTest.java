package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Our server follows a real PostgreSQL through the workload, and every page is compared: a short
 * run on the embedded binaries, or with {@code make regress} all rounds on a container. Replay:
 * {@code -Dpg=17 -Dseed=1}.
 */
class FollowTest {
    private static final int MAJOR = Integer.getInteger("pg", 17);
    private static final long SEED = Long.getLong("seed", 1);

    private Path home = Path.of("");

    @BeforeEach
    void directory() {
        home = EmbeddedPostgres.temporaryDirectory("palimpsest-follow-");
    }

    @AfterEach
    void remove() {
        EmbeddedPostgres.deleteDirectory(home);
    }

    @Test
    void everyPageOfAnEmbeddedServerIsEqual() throws Exception {
        try (SourcePostgres postgres =
                new EmbeddedSource(
                        EmbeddedPostgres.create(
                                PostgresBinaries.fetch(MAJOR),
                                home.resolve("postgres"),
                                Map.of()))) {
            follow(postgres, 1, 1000);
        }
    }

    @Test
    @Tag("regress")
    void everyPageOfAContainersServerIsEqual() throws Exception {
        assertEquals("", ContainerSource.whyNot(MAJOR));
        try (SourcePostgres postgres = new ContainerSource(MAJOR)) {
            follow(postgres, 4, 10_000);
        }
    }

    private void follow(SourcePostgres postgres, int rounds, int changed) throws Exception {
        System.out.println("PostgreSQL " + MAJOR + ", seed " + SEED);
        postgres.start();
        try (ServerProcess server = new ServerProcess(home)) {
            Run run = new Run(postgres, server, home, SEED, null, step -> {});
            run.follow(rounds);
            ComparisonReport report = run.compare();
            System.out.println(report.text());
            assertEquals(0, report.total().mismatches, report.text());
            assertTrue(report.total().changed >= changed, report.text());
        }
    }
}
