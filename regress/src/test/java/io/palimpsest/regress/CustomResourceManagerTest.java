package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.regress.PageSource.Answer;
import io.palimpsest.server.redo.PostgresLauncher;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A real extension with a resource manager of its own (src/test/c/tape.c), preloaded into Debian's
 * PostgreSQL 15: what it logs is redone by its own code in a redo process, without being asked for,
 * and every page at every moment is the server's, byte for byte.
 */
class CustomResourceManagerTest {
    private static final int MAJOR = 15;
    private static final Path POSTGRES = Path.of("/usr/lib/postgresql");
    private static final Path BUILT = Path.of("target/tape/15/tape.so");
    private static final TenantId TENANT = TenantId.parse("00112233445566778899aabbccddeeff");
    private static final TimelineId TIMELINE = TimelineId.parse("00000000000000000000000000001001");

    /** The tape's pages as the server had them on disk. */
    private record Moment(long lsn, byte[] file) {}

    private Path home = Path.of("");
    private Path extension = home;

    @BeforeEach
    void copyTheExtension() throws IOException {
        Path server = POSTGRES.resolve(MAJOR + "/bin/initdb");
        Path engine = PostgresLauncher.builtLibraries().resolve(MAJOR + "/walredo.so");
        for (Path needed : List.of(server, engine, BUILT)) {
            if (!Files.isReadable(needed)) {
                System.out.printf(
                        "SKIPPED: no custom resource manager tried: %s is missing (make walredo)%n",
                        needed);
                Assumptions.abort(needed + " is missing");
            }
        }
        home = EmbeddedPostgres.temporaryDirectory("palimpsest-custom-");
        // Where the users that PostgreSQL and the redo process run as can read it.
        extension = Files.copy(BUILT, home.resolve("tape.so"));
        Files.setPosixFilePermissions(extension, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    @AfterEach
    void remove() {
        if (!home.equals(Path.of(""))) {
            EmbeddedPostgres.deleteDirectory(home);
        }
    }

    @Test
    void itsOwnCodeRedoesItsPages() throws Exception {
        try (EmbeddedPostgres postgres = postgres();
                ServerProcess server = new ServerProcess(home)) {
            postgres.start();
            sql(
                    postgres,
                    "CREATE FUNCTION tape_write(regclass, int, int, int, bytea) RETURNS void AS '"
                            + extension
                            + "' LANGUAGE C STRICT");
            sql(postgres, "CREATE TABLE tape ()");
            write(postgres, 0, 2, 1);
            configure(server, "wal_redo_preload_libraries = '" + extension + "'");
            server.start();
            importInto(server, postgres);
            RelTag tape = tape(postgres);
            List<Moment> moments = new ArrayList<>();
            moments.add(moment(postgres));
            write(postgres, 2, 5, 3);
            moments.add(moment(postgres));
            for (int round = 0; round < 4; round++) {
                for (int i = 0; i < 12; i++) {
                    write(postgres, (5 * round + i) % 6, 1 + i % 2, 17 * i + round);
                }
                moments.add(moment(postgres));
            }
            write(postgres, 7, 3, 99);
            moments.add(moment(postgres));
            awaitArrival(server, moments.getLast().lsn);
            int pages = compare(server, tape, moments);
            assertTrue(
                    server.log().contains("\"event\":\"redo-process-started\""),
                    "no redo process was started");
            System.out.printf(
                    "custom resource manager: pages=%d moments=%d mismatches=0, by a redo process%n",
                    pages, moments.size());

            long last = moments.getLast().lsn;

            // Redo that opens a file is killed by the kernel; the page server answers and goes on.
            sql(postgres, "SELECT tape_write('tape', 10, 1, -1, 'x')");
            long astray = moment(postgres).lsn;
            awaitArrival(server, astray);
            assertRefused(server, tape, 10, astray, "exit status 159"); // 128 + SIGSYS
            assertEquals(pages, compare(server, tape, moments));

            // Without the extension's library: an explicit error, never a guess.
            server.stop();
            configure(server, "");
            server.start();
            assertRefused(server, tape, 0, last, "resource manager 200", "no preloaded library");
        }
    }

    private EmbeddedPostgres postgres() {
        return EmbeddedPostgres.create(
                new PostgresBinaries(MAJOR, POSTGRES.resolve(Integer.toString(MAJOR))),
                home.resolve("postgres"),
                // To autovacuum a tape would be a damaged heap.
                Map.of("shared_preload_libraries", extension.toString(), "autovacuum", "off"));
    }

    private static void configure(ServerProcess server, String text) throws IOException {
        Files.writeString(server.workingDirectory().resolve("pageserver.toml"), text + "\n");
    }

    private static String sql(EmbeddedPostgres postgres, String text) throws SQLException {
        return Scene.sql(postgres, text);
    }

    private static void write(EmbeddedPostgres postgres, int first, int pages, int key)
            throws SQLException {
        byte[] piece = new byte[1 + key % 40];
        Arrays.fill(piece, (byte) key);
        sql(
                postgres,
                String.format(
                        "SELECT tape_write('tape', %d, %d, %d, '\\x%s')",
                        first, pages, key, HexFormat.of().formatHex(piece)));
    }

    /**
     * What is on disk once a checkpoint has written all; the next write of a page logs it whole.
     */
    private static Moment moment(EmbeddedPostgres postgres) throws SQLException, IOException {
        sql(postgres, "CHECKPOINT");
        long lsn = Lsn.parse(sql(postgres, "SELECT pg_current_wal_insert_lsn()")).value();
        String file = sql(postgres, "SELECT pg_relation_filepath('tape')");
        return new Moment(lsn, Files.readAllBytes(postgres.data().resolve(file)));
    }

    private static RelTag tape(EmbeddedPostgres postgres) throws SQLException {
        return new RelTag(
                1663,
                Integer.parseInt(
                        sql(postgres, "SELECT oid FROM pg_database WHERE datname = 'postgres'")),
                Integer.parseInt(sql(postgres, "SELECT pg_relation_filenode('tape')")),
                RelTag.MAIN);
    }

    private static void importInto(ServerProcess server, EmbeddedPostgres postgres) {
        try (ManagementClient management = new ManagementClient(server.management())) {
            management.importFrom(TENANT, TIMELINE, postgres.conninfo(), "tape");
        }
    }

    private static void awaitArrival(ServerProcess server, long lsn) {
        try (ManagementClient management = new ManagementClient(server.management())) {
            Scene.await(
                    () ->
                            Long.compareUnsigned(
                                            management.lsn(TENANT, TIMELINE, "last_record_lsn"),
                                            lsn)
                                    >= 0,
                    () -> "at " + management.timeline(TENANT, TIMELINE));
        }
    }

    private static PageserverClient client(ServerProcess server) {
        return PageserverClient.connect(server.pageService(), TENANT, TIMELINE, 3);
    }

    /** Every page of every moment; how many they were. */
    private static int compare(ServerProcess server, RelTag tape, List<Moment> moments) {
        int pages = 0;
        try (PageserverClient client = client(server)) {
            for (Moment moment : moments) {
                int blocks = moment.file.length / Page.SIZE;
                assertEquals(blocks, client.blocks(tape, moment.lsn));
                List<Answer> answers = client.pages(tape, 0, blocks, moment.lsn);
                for (int block = 0; block < blocks; block++) {
                    byte[] expected =
                            Arrays.copyOfRange(
                                    moment.file, block * Page.SIZE, (block + 1) * Page.SIZE);
                    String where = "block " + block + " at " + Lsn.toString(moment.lsn);
                    switch (answers.get(block)) {
                        case Answer.Pages(byte[] found) ->
                                assertArrayEquals(expected, found, where);
                        case Answer.Refused(String why) ->
                                throw new AssertionError(where + ": " + why);
                    }
                    pages++;
                }
            }
        }
        return pages;
    }

    private static void assertRefused(
            ServerProcess server, RelTag tape, int block, long lsn, String... words) {
        try (PageserverClient client = client(server)) {
            Answer answer = client.pages(tape, block, 1, lsn).getFirst();
            assertTrue(
                    answer instanceof Answer.Refused(String why)
                            && List.of(words).stream().allMatch(why::contains),
                    () -> "expected " + List.of(words) + ", found " + answer);
        }
    }
}
