package io.palimpsest.server.store;

import io.palimpsest.fixtures.StoreEmulator;
import java.net.URI;
import java.nio.file.Path;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.BucketVersioningStatus;

/** S3Mock with a client of it. */
final class S3Mock implements AutoCloseable {
    static final String BUCKET = StoreEmulator.BUCKET;
    static final AwsCredentialsProvider ANYBODY =
            StaticCredentialsProvider.create(AwsBasicCredentials.create("id", "secret"));

    /** Where the build puts it. */
    private static final Path JAR = Path.of("target", "s3mock", "s3mock-exec.jar");

    private final StoreEmulator emulator;
    final String endpoint;
    final S3Client client;

    S3Mock(Path directory) {
        emulator = StoreEmulator.s3mock(JAR, directory);
        endpoint = emulator.endpoint();
        client =
                S3Client.builder()
                        .endpointOverride(URI.create(endpoint))
                        .forcePathStyle(true)
                        .region(Region.EU_NORTH_1)
                        .credentialsProvider(ANYBODY)
                        .httpClientBuilder(Apache5HttpClient.builder())
                        .build();
    }

    StoreSettings.S3 settings(String prefix) {
        return new StoreSettings.S3(
                BUCKET, "eu-north-1", prefix, endpoint, null, StoreSettings.Bounds.DEFAULT);
    }

    /** A bucket that keeps versions; made when it is asked for first. */
    String versionedBucket() {
        String name = "versioned";
        if (client.listBuckets().buckets().stream().noneMatch(b -> b.name().equals(name))) {
            client.createBucket(b -> b.bucket(name));
            client.putBucketVersioning(b ->
                    b.bucket(name)
                            .versioningConfiguration(
                                    v -> v.status(BucketVersioningStatus.ENABLED)));
        }
        return name;
    }

    @Override
    public void close() {
        client.close();
        emulator.close();
    }
}
