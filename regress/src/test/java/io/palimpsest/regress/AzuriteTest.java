package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.storage.blob.BlobContainerClientBuilder;
import com.azure.storage.common.StorageSharedKeyCredential;
import io.palimpsest.fixtures.StoreEmulator;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.Tasks;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.server.store.AzureStore;
import io.palimpsest.server.store.StoreConnection;
import io.palimpsest.server.store.StoreProbe;
import io.palimpsest.server.store.StoreSettings;
import io.palimpsest.sim.contract.ObjectStoreContract;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import java.util.TreeMap;
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
    private static final Path HOME = Path.of("target", "azurite");
    private static final String ACCOUNT = StoreEmulator.AZURE_ACCOUNT;
    private static final String KEY = StoreEmulator.AZURE_KEY;

    private record World(ObjectStore store, Tasks tasks) implements ObjectStoreContract.World {}

    @TempDir static Path directory = Path.of("");
    private static @Nullable StoreEmulator azurite;
    private static String endpoint = "";
    private static int prefixes;

    /** Skips, and says why, where there is no npm or it reaches no registry. */
    @BeforeAll
    static void start() {
        StoreEmulator started;
        try {
            started = StoreEmulator.azurite(HOME, directory);
        } catch (UncheckedIOException e) {
            Assumptions.abort(e.getMessage());
            return;
        }
        azurite = started;
        endpoint = started.azureEndpoint();
        new BlobContainerClientBuilder()
                .endpoint(endpoint)
                .containerName("container")
                .credential(new StorageSharedKeyCredential(ACCOUNT, KEY))
                .httpClient(new JdkHttpClientBuilder().build())
                .buildClient()
                .create();
    }

    @AfterAll
    static void stop() {
        StoreEmulator running = azurite;
        if (running != null) {
            running.close();
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
                        (event, subject, detail) -> {},
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
            List<StoreProbe.Step> steps =
                    StoreProbe.run(
                            connection.store(),
                            connection.versions(),
                            connection.leftOvers(),
                            new SecureRandom());
            // Azurite keeps no versions.
            assertTrue(
                    steps.stream().allMatch(step -> step.good() || !step.needed()),
                    steps.toString());
            assertEquals("azure", connection.kind());
            assertTrue(!connection.toString().contains(KEY));
        }
    }
}
