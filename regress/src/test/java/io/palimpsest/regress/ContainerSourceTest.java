package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.fixtures.EmbeddedPostgres;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Start, kill, stop, copy of a server in a container; the copy equals itself. */
@Tag("regress")
class ContainerSourceTest {
    private static final int MAJOR = Integer.getInteger("pg", 17);

    @Test
    void aContainersFilesCanBeCompared() throws Exception {
        assertEquals("", ContainerSource.whyNot(MAJOR));
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-container-");
        try (ContainerSource postgres = new ContainerSource(MAJOR)) {
            postgres.start();
            Workload workload =
                    new Workload(postgres::jdbcUrl, postgres::newDirectory, MAJOR, 1, step -> {});
            workload.prepare();
            postgres.kill();
            postgres.start();
            Catalog catalog = Catalog.read(postgres::jdbcUrl);
            postgres.stop(Duration.ofSeconds(60));
            DataDirectory files = postgres.copyData(home.resolve("copy"));
            ComparisonReport report =
                    new DataDirectoryComparison(
                                    files,
                                    catalog,
                                    new DirectorySource(files),
                                    files.lsn(),
                                    0,
                                    home)
                            .run();
            assertEquals(0, report.total().mismatches, report.text());
            assertEquals(0, report.of("uncatalogued").relations, report.text());
        } finally {
            EmbeddedPostgres.deleteDirectory(home);
        }
    }
}
