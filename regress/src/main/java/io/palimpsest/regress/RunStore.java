package io.palimpsest.regress;

import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.storage.blob.BlobContainerClientBuilder;
import com.azure.storage.common.StorageSharedKeyCredential;
import io.palimpsest.fixtures.StoreEmulator;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.server.store.AzureStore;
import io.palimpsest.server.store.LocalStore;
import io.palimpsest.server.store.S3Store;
import io.palimpsest.server.store.StoreSettings;
import io.palimpsest.server.store.StoreSettings.Bounds;
import java.nio.file.Path;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;

/**
 * The object store of a run: a directory, or an emulator that is started for it and ended with it.
 *
 * @param configuration what makes a page server use it, as TOML
 * @param environment what the page server's process needs besides: who it is there
 * @param store the same objects, past any page server
 */
public record RunStore(
        Kind kind,
        String configuration,
        Map<String, String> environment,
        ObjectStore store,
        Runnable closing)
        implements AutoCloseable {
    /** Where the objects are. */
    public enum Kind {
        LOCAL,
        S3,
        AZURE
    }

    /** Relative to the top of the sources, where make starts us. */
    private static final Path S3MOCK = Path.of("server", "target", "s3mock", "s3mock-exec.jar");

    private static final Path AZURITE = Path.of("regress", "target", "azurite");
    private static final String REGION = "eu-north-1";
    private static final String PREFIX = "demo/of-a-backup/";
    private static final String CONTAINER = "container";

    /**
     * @param home gets its files
     */
    public static RunStore start(Kind kind, Path home) {
        Path directory = home.resolve("store");
        return switch (kind) {
            case LOCAL ->
                    new RunStore(
                            kind,
                            "remote_storage={local_path='" + directory + "'}",
                            Map.of(),
                            new LocalStore(directory),
                            () -> {});
            case S3 -> s3(StoreEmulator.s3mock(S3MOCK, directory));
            case AZURE -> azure(StoreEmulator.azurite(AZURITE, directory));
        };
    }

    private static RunStore s3(StoreEmulator emulator) {
        String identity = "demo";
        S3Store store =
                new S3Store(
                        new StoreSettings.S3(
                                StoreEmulator.BUCKET,
                                REGION,
                                PREFIX,
                                emulator.endpoint(),
                                null,
                                Bounds.DEFAULT),
                        StaticCredentialsProvider.create(
                                AwsBasicCredentials.create(identity, identity)));
        return new RunStore(
                Kind.S3,
                "remote_storage={endpoint='%s',bucket_name='%s',bucket_region='%s',prefix_in_bucket='/%s'}"
                        .formatted(emulator.endpoint(), StoreEmulator.BUCKET, REGION, PREFIX),
                Map.of("AWS_ACCESS_KEY_ID", identity, "AWS_SECRET_ACCESS_KEY", identity),
                store,
                () -> {
                    store.close();
                    emulator.close();
                });
    }

    private static RunStore azure(StoreEmulator emulator) {
        String account = StoreEmulator.AZURE_ACCOUNT;
        String key = StoreEmulator.AZURE_KEY;
        String endpoint = emulator.azureEndpoint();
        new BlobContainerClientBuilder()
                .endpoint(endpoint)
                .containerName(CONTAINER)
                .credential(new StorageSharedKeyCredential(account, key))
                .httpClient(new JdkHttpClientBuilder().build())
                .buildClient()
                .create();
        return new RunStore(
                Kind.AZURE,
                "remote_storage={endpoint='%s',container_name='%s',storage_account='%s',container_region='%s',prefix_in_container='/%s'}"
                        .formatted(endpoint, CONTAINER, account, REGION, PREFIX),
                Map.of("AZURE_STORAGE_ACCESS_KEY", key),
                new AzureStore(
                        new StoreSettings.Azure(
                                CONTAINER, account, REGION, PREFIX, endpoint, Bounds.DEFAULT),
                        key),
                emulator::close);
    }

    @Override
    public void close() {
        closing.run();
    }
}
