package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.storage.blob.BlobContainerClientBuilder;
import com.azure.storage.common.StorageSharedKeyCredential;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.Tasks;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.server.store.AzureStore;
import io.palimpsest.server.store.StoreConnection;
import io.palimpsest.server.store.StoreProbe;
import io.palimpsest.server.store.StoreSettings;
import io.palimpsest.sim.contract.ObjectStoreContract;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The contract of object stores, and the check of the command line, against Azurite. */
@Tag("regress")
class AzuriteTest extends ObjectStoreContract {
    private static final String VERSION = "3.37.0";
    private static final Path HOME = Path.of("target", "azurite").toAbsolutePath();
    private static final Path SERVER = HOME.resolve("node_modules/.bin/azurite-blob");

    /** Azurite's own, which everybody knows. */
    private static final String ACCOUNT = "devstoreaccount1";

    private static final String KEY =
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    private record World(ObjectStore store, Tasks tasks) implements ObjectStoreContract.World {}

    @TempDir static Path directory = Path.of("");
    private static @Nullable Process azurite;
    private static String endpoint = "";
    private static int prefixes;

    @BeforeAll
    static void start() throws IOException, InterruptedException {
        install();
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        endpoint = "http://127.0.0.1:" + port + "/" + ACCOUNT;
        azurite =
                new ProcessBuilder(
                                SERVER.toString(),
                                "--silent",
                                "--skipApiVersionCheck",
                                "--location",
                                directory.toString(),
                                "--blobHost",
                                "127.0.0.1",
                                "--blobPort",
                                Integer.toString(port))
                        .redirectErrorStream(true)
                        .redirectOutput(directory.resolve("log").toFile())
                        .start();
        awaitPort(port);
        new BlobContainerClientBuilder()
                .endpoint(endpoint)
                .containerName("container")
                .credential(new StorageSharedKeyCredential(ACCOUNT, KEY))
                .httpClient(new JdkHttpClientBuilder().build())
                .buildClient()
                .create();
    }

    /** Skips, and says why, where there is no npm or it reaches no registry. */
    private static void install() throws IOException, InterruptedException {
        if (Files.exists(SERVER)) {
            return;
        }
        Files.createDirectories(HOME);
        Path log = HOME.resolve("npm.log");
        Process npm;
        try {
            npm =
                    new ProcessBuilder(
                                    "npm",
                                    "install",
                                    "--no-fund",
                                    "--no-audit",
                                    "--prefix",
                                    HOME.toString(),
                                    "azurite@" + VERSION)
                            .redirectErrorStream(true)
                            .redirectOutput(log.toFile())
                            .start();
        } catch (IOException e) {
            Assumptions.abort("Azurite is not installed and there is no npm: " + e.getMessage());
            return;
        }
        if (!npm.waitFor(10, TimeUnit.MINUTES) || npm.exitValue() != 0) {
            npm.destroyForcibly();
            Assumptions.abort("npm could not install Azurite: see " + log);
        }
    }

    private static void awaitPort(int port) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
        while (true) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress("127.0.0.1", port), 1000);
                return;
            } catch (IOException e) {
                if (System.nanoTime() - deadline > 0) {
                    throw new IOException(
                            "Azurite did not start: " + Files.readString(directory.resolve("log")),
                            e);
                }
            }
            Thread.sleep(50);
        }
    }

    @AfterAll
    static void stop() throws InterruptedException {
        Process running = azurite;
        if (running != null) {
            running.destroy();
            if (!running.waitFor(10, TimeUnit.SECONDS)) {
                running.destroyForcibly();
            }
        }
    }

    private static StoreSettings.Azure settings() {
        return new StoreSettings.Azure(
                "container",
                ACCOUNT,
                "local",
                "tests/run-" + prefixes++ + "/",
                endpoint,
                StoreSettings.Bounds.DEFAULT);
    }

    @Override
    protected void inWorld(Consumer<ObjectStoreContract.World> body) {
        @Nullable Throwable[] failure = new Throwable[1];
        SystemTasks tasks =
                new SystemTasks(
                        2,
                        (level, event, detail) -> {},
                        (task, e) -> {
                            synchronized (failure) {
                                failure[0] = failure[0] == null ? e : failure[0];
                            }
                        });
        AzureStore store = new AzureStore(settings(), KEY);
        tasks.spawn(Tasks.Lane.LATENCY, "contract", () -> body.accept(new World(store, tasks)))
                .join();
        synchronized (failure) {
            switch (failure[0]) {
                case null -> {}
                case RuntimeException e -> throw e;
                case Error e -> throw e;
                case Throwable e -> throw new IllegalStateException(e);
            }
        }
    }

    @Override
    protected int severalPieces() {
        return (8 << 20) + 12_345;
    }

    @Test
    void everythingAPageServerDoesWorks() {
        TreeMap<String, String> environment = new TreeMap<>();
        environment.put("AZURE_STORAGE_ACCESS_KEY", KEY);
        try (StoreConnection connection = StoreConnection.open(settings(), environment)) {
            List<StoreProbe.Step> steps = StoreProbe.run(connection.store(), new SecureRandom());
            assertTrue(steps.stream().allMatch(StoreProbe.Step::good), steps.toString());
            assertEquals("azure", connection.kind());
            assertTrue(!connection.toString().contains(KEY));
        }
    }
}
