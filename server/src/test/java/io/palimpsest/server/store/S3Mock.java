package io.palimpsest.server.store;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;

/** S3Mock in a process of its own, so that nothing it needs is on our class path. */
final class S3Mock implements AutoCloseable {
    static final String BUCKET = "bucket";
    static final AwsCredentialsProvider ANYBODY =
            StaticCredentialsProvider.create(AwsBasicCredentials.create("id", "secret"));

    /** Where the build puts it. */
    private static final Path JAR = Path.of("target", "s3mock", "s3mock-exec.jar");

    private static final long LONGEST_START = TimeUnit.MINUTES.toNanos(3);

    private final Process process;
    final String endpoint;
    final S3Client client;

    S3Mock(Path directory) throws IOException, InterruptedException {
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        endpoint = "http://127.0.0.1:" + port;
        process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+UseSerialGC",
                                "-Xmx384m",
                                "-jar",
                                JAR.toAbsolutePath().toString(),
                                "--com.adobe.testing.s3mock.httpPort=" + port,
                                "--server.port=0",
                                "--com.adobe.testing.s3mock.store.root=" + directory)
                        .redirectErrorStream(true)
                        .redirectOutput(directory.resolve("log").toFile())
                        .start();
        awaitReady(directory.resolve("log"));
        client =
                S3Client.builder()
                        .endpointOverride(URI.create(endpoint))
                        .forcePathStyle(true)
                        .region(Region.EU_NORTH_1)
                        .credentialsProvider(ANYBODY)
                        .httpClientBuilder(Apache5HttpClient.builder())
                        .build();
        client.createBucket(b -> b.bucket(BUCKET));
    }

    private void awaitReady(Path log) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + LONGEST_START;
        try (HttpClient http = HttpClient.newHttpClient()) {
            while (true) {
                try {
                    HttpResponse<Void> answer =
                            http.send(
                                    HttpRequest.newBuilder(URI.create(endpoint + "/")).build(),
                                    HttpResponse.BodyHandlers.discarding());
                    if (answer.statusCode() == 200) {
                        return;
                    }
                } catch (IOException e) {
                    // not yet
                }
                if (!process.isAlive() || System.nanoTime() - deadline > 0) {
                    process.destroyForcibly();
                    throw new IllegalStateException(
                            "S3Mock did not start: " + Files.readString(log));
                }
                Thread.sleep(50);
            }
        }
    }

    StoreSettings.S3 settings(String prefix) {
        return new StoreSettings.S3(
                BUCKET, "eu-north-1", prefix, endpoint, null, StoreSettings.Bounds.DEFAULT);
    }

    @Override
    public void close() {
        client.close();
        process.destroy();
        try {
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
