package io.palimpsest.regress;

import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.command.InspectContainerResponse;
import com.github.dockerjava.api.exception.NotFoundException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.images.PullPolicy;
import org.testcontainers.utility.DockerImageName;

/** PostgreSQL in a container of an image that {@code make images} has built. */
final class ContainerSource implements SourcePostgres {
    private static final int PORT = 5432;
    private static final String DATA = "/var/lib/postgresql/data";
    private static final String SPACES = "/var/lib/postgresql/spaces/";

    private final int major;
    private final String password = UUID.randomUUID().toString();
    private final GenericContainer<?> container;
    private int mappedPort;

    /** Why it cannot be, in one line, or empty. */
    static String whyNot(int major) {
        String image = image(major);
        try {
            DockerClient docker = DockerClientFactory.instance().client();
            docker.inspectImageCmd(image).exec();
            return "";
        } catch (NotFoundException e) {
            return "there is no image " + image + ": run make images PG=" + major;
        } catch (IllegalStateException e) {
            return "Docker's engine does not answer: start it (dockerd &), then make images regress";
        }
    }

    private static String image(int major) {
        return "local/palimpsest-postgres:" + major;
    }

    ContainerSource(int major) {
        this.major = major;
        this.container =
                new GenericContainer<>(DockerImageName.parse(image(major)))
                        .withImagePullPolicy(PullPolicy.defaultPolicy())
                        .withEnv(Map.of("POSTGRES_PASSWORD", password))
                        .withCommand(
                                "-c", "wal_level=replica",
                                "-c", "max_prepared_transactions=20",
                                "-c", "track_commit_timestamp=on",
                                "-c", "max_wal_size=2GB",
                                "-c", "fsync=off");
    }

    @Override
    public int major() {
        return major;
    }

    @Override
    public String jdbcUrl(String database) {
        return "jdbc:postgresql://127.0.0.1:"
                + mappedPort
                + "/"
                + database
                + "?user=postgres&password="
                + password;
    }

    @Override
    public String conninfo() {
        return "host=127.0.0.1 port=" + mappedPort + " user=postgres password=" + password;
    }

    @Override
    public String newDirectory(String name) {
        try {
            var result = container.execInContainer("mkdir", "-p", SPACES + name);
            if (result.getExitCode() != 0) {
                throw new IllegalStateException(result.getStderr());
            }
            return SPACES + name;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** The first start makes the container, later ones start the same one again. */
    @Override
    public void start() {
        if (container.getContainerId() == null) {
            int free = freePort();
            container.setPortBindings(List.of("127.0.0.1:" + free + ":" + PORT));
            container.start();
            mappedPort = free;
        } else {
            docker().startContainerCmd(container.getContainerId()).exec();
        }
        awaitConnections();
    }

    private static int freePort() {
        try (var socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void awaitConnections() {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (true) {
            try (var connection = DriverManager.getConnection(jdbcUrl("postgres"))) {
                if (connection.isValid(5)) {
                    return;
                }
            } catch (SQLException e) {
                if (System.nanoTime() > end) {
                    throw new IllegalStateException(
                            "the container's PostgreSQL does not answer:\n" + container.getLogs(),
                            e);
                }
            }
            sleep();
        }
    }

    @Override
    public void stop(Duration limit) {
        docker().stopContainerCmd(container.getContainerId())
                .withTimeout((int) limit.toSeconds())
                .exec();
        Long status = state().getExitCodeLong();
        if (status == null || status != 0) {
            throw new IllegalStateException(
                    "PostgreSQL did not stop cleanly, status "
                            + status
                            + ":\n"
                            + container.getLogs());
        }
    }

    @Override
    public void kill() {
        docker().killContainerCmd(container.getContainerId()).exec();
        while (Boolean.TRUE.equals(state().getRunning())) {
            sleep();
        }
    }

    private InspectContainerResponse.ContainerState state() {
        return docker().inspectContainerCmd(container.getContainerId()).exec().getState();
    }

    private static DockerClient docker() {
        return DockerClientFactory.instance().client();
    }

    private static void sleep() {
        try {
            Thread.sleep(50);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** The data directory and its tablespaces as tar out of the stopped container. */
    @Override
    public DataDirectory copyData(Path to) {
        Path raw = to.resolveSibling(to.getFileName() + "-raw");
        extract(DATA, raw);
        extract(SPACES, raw);
        Path data = raw.resolve("data");
        try (var links = Files.list(data.resolve("pg_tblspc"))) {
            for (Path link : links.toList()) {
                if (Files.isSymbolicLink(link)) {
                    Path space = Files.readSymbolicLink(link).getFileName();
                    Files.delete(link);
                    Files.createSymbolicLink(
                            link, raw.resolve("spaces").resolve(space).toAbsolutePath());
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return DataDirectory.copy(data, to);
    }

    private void extract(String what, Path to) {
        try (InputStream stream =
                        docker().copyArchiveFromContainerCmd(container.getContainerId(), what)
                                .exec();
                TarArchiveInputStream tar =
                        new TarArchiveInputStream(new BufferedInputStream(stream))) {
            for (TarArchiveEntry entry = tar.getNextEntry();
                    entry != null;
                    entry = tar.getNextEntry()) {
                Path path = to.resolve(entry.getName()).normalize();
                if (entry.isDirectory()) {
                    Files.createDirectories(path);
                } else if (!entry.getName().contains("/pg_wal/")) {
                    Files.createDirectories(path.getParent());
                    if (entry.isSymbolicLink()) {
                        Files.createSymbolicLink(path, Path.of(entry.getLinkName()));
                    } else {
                        Files.copy(tar, path);
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        container.stop();
    }
}
