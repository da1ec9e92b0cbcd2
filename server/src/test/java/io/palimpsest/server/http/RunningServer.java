package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.port.Environment;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.server.auth.Doors;
import io.palimpsest.server.bootstrap.Bootstrap;
import io.palimpsest.server.bootstrap.FreshCluster;
import io.palimpsest.server.config.ServerConfig;
import io.palimpsest.server.disk.NioDisk;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SocketNet;
import io.palimpsest.server.runtime.SystemClock;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.server.source.Sources;
import io.palimpsest.service.Management;
import io.palimpsest.tenant.Tenants;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A page server on a directory, and a client of its management API. */
final class RunningServer implements AutoCloseable {
    /** The tenant and timeline of {@link #writeRoot}. */
    static final String TENANT = "7a1f0c4e5d6b48a99e0f112233445566";

    static final String ROOT = "d87061ac791d44a963416f8fe634a26c";

    private final SystemTasks tasks;
    private final Environment environment;
    private final Tenants tenants;
    private final HttpClient http = HttpClient.newHttpClient();
    private ManagementServer server;

    /**
     * @param store null: without one
     */
    RunningServer(Path directory, @Nullable ObjectStore store) {
        LogTracer tracer = new LogTracer("test");
        tasks = new SystemTasks(2, tracer, (task, failure) -> {});
        environment =
                new Environment(
                        new SystemClock(),
                        tasks,
                        new NioDisk(directory),
                        new SocketNet(),
                        new SecureIds(),
                        tracer);
        RemoteStore remote =
                store == null
                        ? null
                        : new RemoteStore(
                                store,
                                environment.clock(),
                                tasks,
                                environment.ids(),
                                tracer,
                                RemoteLimits.DEFAULT);
        tenants = Tenants.load(environment, Limits.DEFAULT, TenantConfig.DEFAULT, remote);
        server = listen(Doors.OPEN);
    }

    /** A timeline without a layer, written by hand into the directory of a server to be. */
    static void writeRoot(Path directory) throws IOException {
        String body =
                """
                palimpsest timeline index 1
                tenant %s
                timeline %s
                generation 00000001
                postgres 17
                origin stock
                system_identifier 7576021984203157541
                segment_size 16777216
                wal_timeline 1
                ancestor none
                state active
                oldest_readable_lsn 0/3000120
                disk_consistent_lsn 0/3000120
                prev_record_lsn 0/0
                """
                        .formatted(TENANT, ROOT);
        Path root = directory.resolve("tenants/" + TENANT + "/timelines/" + ROOT);
        Files.createDirectories(root);
        Files.writeString(root.resolve("index"), body + "crc32c " + TextChecksum.of(body) + "\n");
    }

    /** Listens anew, and lets only those in. */
    void reopen(Doors doors) {
        server.close();
        server = listen(doors);
    }

    private ManagementServer listen(Doors doors) {
        Management management = new Management(tenants);
        return ManagementServer.start(
                new ServerConfig.Address("127.0.0.1", 0),
                new ManagementServer.Service(
                        management,
                        new Sources(tenants, environment, 1L << 29),
                        new Bootstrap(
                                management,
                                new FreshCluster(Path.of("/nowhere"), "postgres", "C.UTF-8")),
                        doors,
                        Health.PLAIN,
                        () -> "some_metric 1\n"),
                null,
                tasks);
    }

    Tenants tenants() {
        return tenants;
    }

    /** What it answers since it listens, and how often it has. */
    Router router() {
        return server.router();
    }

    InetSocketAddress address() {
        return server.address();
    }

    /**
     * @param headers names and values in turn
     */
    HttpResponse<String> request(String method, String path, String body, String... headers)
            throws IOException, InterruptedException {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + address().getPort() + path))
                        .header("Content-Type", "application/json")
                        .method(method, HttpRequest.BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    /** The answer, which must have that status. */
    JsonNode send(int status, String method, String path, String body) throws Exception {
        HttpResponse<String> answer = request(method, path, body);
        assertEquals(status, answer.statusCode(), answer.body());
        return new ObjectMapper().readTree(answer.body());
    }

    @Override
    public void close() {
        server.close();
        tenants.close();
        http.close();
    }
}
