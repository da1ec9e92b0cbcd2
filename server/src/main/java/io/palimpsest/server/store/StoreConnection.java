package io.palimpsest.server.store;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectVersions;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;

/**
 * An object store that is ready for use, and what can be told of it.
 *
 * @param kind "local", "s3" or "azure"
 * @param location where, for people
 * @param identity who we are there, for people; never a secret
 * @param leftOvers of the same place
 * @param versions what was there before
 */
public record StoreConnection(
        String kind,
        String location,
        String identity,
        ObjectStore store,
        LeftOvers leftOvers,
        ObjectVersions versions,
        Runnable closing)
        implements AutoCloseable {
    /**
     * @param environment where Azure's key is; Amazon's library looks for itself
     * @throws PageserverException BAD_REQUEST if the place cannot be a store's, DENIED if there is
     *     no identity
     */
    public static StoreConnection open(StoreSettings settings, Map<String, String> environment) {
        return switch (settings) {
            case StoreSettings.Local local -> {
                LocalStore store = new LocalStore(local.path());
                yield new StoreConnection(
                        "local",
                        store.root().toString(),
                        "user " + System.getProperty("user.name"),
                        store,
                        store,
                        ObjectVersions.none(
                                "a directory has none; of a snapshot of its file system give the path"),
                        () -> {});
            }
            case StoreSettings.S3 s3 -> {
                DefaultCredentialsProvider credentials =
                        DefaultCredentialsProvider.builder().build();
                S3Store store = new S3Store(s3, credentials);
                String endpoint = s3.endpoint();
                yield new StoreConnection(
                        "s3",
                        "bucket %s in %s%s, prefix '%s'"
                                .formatted(
                                        s3.bucket(),
                                        s3.region(),
                                        endpoint == null ? "" : " at " + endpoint,
                                        s3.prefix()),
                        store.identity(),
                        store,
                        store,
                        store,
                        () -> {
                            store.close();
                            credentials.close();
                        });
            }
            case StoreSettings.Azure azure -> {
                String key = environment.get("AZURE_STORAGE_ACCESS_KEY");
                if (key == null || key.isBlank()) {
                    throw PageserverException.of(
                            ErrorCode.DENIED,
                            "no identity for storage account %s: AZURE_STORAGE_ACCESS_KEY is not set",
                            azure.account());
                }
                AzureStore store = new AzureStore(azure, key.strip());
                String endpoint = azure.endpoint();
                yield new StoreConnection(
                        "azure",
                        "container %s of account %s in %s%s, prefix '%s'"
                                .formatted(
                                        azure.container(),
                                        azure.account(),
                                        azure.region(),
                                        endpoint == null ? "" : " at " + endpoint,
                                        azure.prefix()),
                        store.identity(),
                        store,
                        store,
                        store.versions(),
                        () -> {});
            }
        };
    }

    @Override
    public void close() {
        closing.run();
    }
}
