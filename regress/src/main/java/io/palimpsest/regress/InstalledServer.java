package io.palimpsest.regress;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.RelTag;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code make dist-check}: what is installed, used as it is installed: the tarball unpacked
 * elsewhere, without a JDK and not as root, or the image as nobody with a read-only root. It
 * becomes ready, follows a PostgreSQL, answers GetPage with PostgreSQL's own bytes, and stops when
 * told.
 */
@Command(name = "dist-check", mixinStandardHelpOptions = true)
final class InstalledServer implements Callable<Integer> {
    private static final TenantId TENANT = new TenantId(0x5eed, 1);
    private static final TimelineId MAIN = new TimelineId(0x5eed, 2);
    private static final int NOBODY = 65534;
    private static final String PATH = "/usr/bin:/bin";
    private static final String CONTAINER = "palimpsest-dist-check";

    @Option(names = "--tarball", required = true, description = "what make dist has made")
    private Path tarball = Path.of("");

    @Option(names = "--image", description = "run this image, not the tarball's files")
    private @Nullable String image;

    public static void main(String[] args) {
        System.exit(new CommandLine(new InstalledServer()).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-installed-");
        Process server = null;
        try (EmbeddedSource postgres =
                new EmbeddedSource(
                        EmbeddedPostgres.create(
                                PostgresBinaries.fetch(PostgresBinaries.NEWEST),
                                home.resolve("postgres"),
                                Map.of("autovacuum", "off")))) {
            Path installed = unpack(home);
            int pages = EmbeddedPostgres.freePort();
            int management = EmbeddedPostgres.freePort();
            server = start(installed, home, pages, management);
            say("the installed command line waits until it is ready");
            run(
                    List.of(
                            installed.resolve("bin/palimpsest").toString(),
                            "ready",
                            "--wait",
                            "120",
                            "--server",
                            "http://127.0.0.1:" + management));
            postgres.start();
            int compared = compare(postgres, pages, management);
            int status = stop(server);
            say("stopped by SIGTERM, status " + status);
            if (status != 143) {
                throw new IllegalStateException("expected exit status 143, found " + status);
            }
            System.out.printf(
                    "dist-check: %s pages=%d mismatches=0%n",
                    image == null ? "tarball" : "image", compared);
            return 0;
        } finally {
            if (server != null) {
                server.destroyForcibly();
            }
            if (image != null) {
                new ProcessBuilder("docker", "rm", "-f", CONTAINER).start().waitFor();
            }
            EmbeddedPostgres.deleteDirectory(home);
        }
    }

    private static void say(String what) {
        System.out.println("dist-check: " + what);
    }

    private Path unpack(Path home) throws IOException, InterruptedException {
        Path into = Files.createDirectory(home.resolve("opt"));
        run(List.of("tar", "-C", into.toString(), "-xzf", tarball.toAbsolutePath().toString()));
        try (var children = Files.list(into)) {
            return children.findFirst().orElseThrow();
        }
    }

    private Process start(Path installed, Path home, int pages, int management)
            throws IOException, InterruptedException {
        List<String> settings =
                List.of(
                        "-c",
                        "listen_pg_addr='127.0.0.1:" + pages + "'",
                        "-c",
                        "listen_http_addr='127.0.0.1:" + management + "'");
        List<String> command = new ArrayList<>();
        String of = image;
        if (of != null) {
            say("image " + of + ", read-only");
            command.addAll(
                    List.of(
                            "docker",
                            "run",
                            "--name",
                            CONTAINER,
                            "--read-only",
                            "--network",
                            "host",
                            of));
        } else {
            Path work = Files.createDirectory(home.resolve("work"));
            boolean root = System.getProperty("user.name").equals("root");
            say("tarball, as " + (root ? "nobody" : System.getProperty("user.name")));
            if (root) {
                run(List.of("chown", Integer.toString(NOBODY), work.toString()));
                // mktemp's directory is root's alone.
                run(List.of("chmod", "755", home.toString()));
                command.addAll(
                        List.of(
                                "setpriv",
                                "--reuid=" + NOBODY,
                                "--regid=" + NOBODY,
                                "--clear-groups"));
            }
            command.addAll(
                    List.of(installed.resolve("bin/pageserver").toString(), "-D", work.toString()));
        }
        command.addAll(settings);
        return process(command).inheritIO().start();
    }

    /** Without Java anywhere it might be found. */
    private static ProcessBuilder process(List<String> command) {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().clear();
        builder.environment().put("PATH", PATH);
        return builder;
    }

    private static void run(List<String> command) throws IOException, InterruptedException {
        int status = process(command).inheritIO().start().waitFor();
        if (status != 0) {
            throw new IllegalStateException(command + " ended with status " + status);
        }
    }

    private int stop(Process server) throws IOException, InterruptedException {
        if (image == null) {
            server.destroy();
        } else {
            run(List.of("docker", "kill", "--signal", "TERM", CONTAINER));
        }
        if (!server.waitFor(60, TimeUnit.SECONDS)) {
            throw new IllegalStateException("it did not stop within a minute");
        }
        return server.exitValue();
    }

    /** A table that nobody has read is the same bytes in PostgreSQL's file and here. */
    private static int compare(EmbeddedSource postgres, int pages, int management)
            throws SQLException, IOException {
        InetAddress local = InetAddress.getLoopbackAddress();
        try (ManagementClient client =
                new ManagementClient(new InetSocketAddress(local, management))) {
            client.importFrom(TENANT, MAIN, postgres.conninfo(), "dist_check");
            say("imported");
            RelTag table;
            String file;
            long lsn;
            try (Connection sql = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                    Statement statement = sql.createStatement()) {
                statement.execute("CREATE TABLE t (a int, b text)");
                statement.execute(
                        "INSERT INTO t SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 20000) i");
                try (ResultSet row =
                        statement.executeQuery(
                                "SELECT pg_relation_filepath('t'), oid, pg_relation_filenode('t'), pg_current_wal_insert_lsn() FROM pg_database WHERE datname = current_database()")) {
                    row.next();
                    file = row.getString(1);
                    table =
                            new RelTag(
                                    RelTag.DEFAULT_TABLESPACE,
                                    row.getInt(2),
                                    row.getInt(3),
                                    RelTag.MAIN);
                    lsn = Lsn.parse(row.getString(4)).value();
                }
            }
            postgres.stop(Duration.ofSeconds(60));
            byte[] theirs = Files.readAllBytes(postgres.postgres().data().resolve(file));
            try (PageserverClient reader =
                    PageserverClient.connect(
                            new InetSocketAddress(local, pages), TENANT, MAIN, 3, true)) {
                int blocks = reader.blocks(table, lsn);
                if (blocks != theirs.length / 8192) {
                    throw new IllegalStateException(
                            "expected " + theirs.length / 8192 + " blocks, found " + blocks);
                }
                for (int block = 0; block < blocks; block++) {
                    byte[] expected = Arrays.copyOfRange(theirs, block * 8192, block * 8192 + 8192);
                    byte[] ours = page(reader.page(table, block, lsn));
                    // The checksum is stamped when a page is written to a file.
                    expected[8] = ours[8];
                    expected[9] = ours[9];
                    if (!Arrays.equals(expected, ours)) {
                        throw new IllegalStateException(
                                "block %d differs, first at byte %d"
                                        .formatted(block, Arrays.mismatch(expected, ours)));
                    }
                }
                return blocks;
            }
        }
    }

    private static byte[] page(PageSource.Answer answer) {
        return switch (answer) {
            case PageSource.Answer.Pages page -> page.bytes();
            case PageSource.Answer.Refused refused ->
                    throw new IllegalStateException("refused: " + refused.message());
        };
    }
}
