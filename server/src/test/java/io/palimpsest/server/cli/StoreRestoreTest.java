package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.Generation;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.GoldenStore;
import io.palimpsest.fixtures.StoreEmulator;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Entry;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.server.store.S3Store;
import io.palimpsest.server.store.StoreSettings;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.BucketVersioningStatus;
import software.amazon.awssdk.services.s3.model.ObjectVersion;

/** {@code store restore}, of a versioned bucket of S3Mock that holds the golden tenant. */
class StoreRestoreTest {
    private static final TenantShardId TENANT =
            TenantShardId.parse("11111111111111111111111111111111");
    private static final String BUCKET = "versioned";
    private static final StaticCredentialsProvider ANYBODY =
            StaticCredentialsProvider.create(AwsBasicCredentials.create("id", "secret"));

    @TempDir Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private final List<String> layers = new ArrayList<>();
    private final List<TenantManifest.Entry> timelines = new ArrayList<>();
    private String config = "";

    private int run(String... words) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        System.setProperty("aws.accessKeyId", "id");
        System.setProperty("aws.secretAccessKey", "secret");
        try {
            return Palimpsest.run(
                    new PrintWriter(out),
                    new PrintWriter(err),
                    Terminal.NONE,
                    Stream.concat(
                                    Stream.concat(Stream.of("store"), Stream.of(words)),
                                    Stream.of("-c", config))
                            .toArray(String[]::new));
        } finally {
            System.clearProperty("aws.accessKeyId");
            System.clearProperty("aws.secretAccessKey");
        }
    }

    private JsonNode json() throws IOException {
        return new ObjectMapper().readTree(out.toString());
    }

    private static void put(S3Store store, String key, byte[] bytes) {
        String _ = store.put(key, Content.of(bytes), Condition.ALWAYS);
    }

    private void manifest(S3Store store, int generation, List<TenantManifest.Entry> entries) {
        Generation g = new Generation(generation);
        put(
                store,
                RemotePath.manifest(TENANT, g),
                TenantManifest.bare(TENANT, g, 7, 7)
                        .complete(TenantOverrides.NONE, entries)
                        .encode());
    }

    private void fill(S3Store store) {
        for (String path : GoldenStore.files(1)) {
            byte[] bytes = GoldenStore.read(1, path);
            if (path.endsWith("/index")) {
                put(store, path + "-00000001", bytes);
                timelines.add(
                        new TenantManifest.Entry(
                                TimelineId.parse(path.split("/")[3]),
                                Generation.FIRST,
                                false,
                                "sim 0 host=postgres"));
            } else if (path.contains("__")) {
                put(store, path, bytes);
                layers.add(path);
            }
        }
        layers.sort(null);
        manifest(store, 1, timelines);
    }

    /** The times of a store may be whole seconds. */
    private static Instant aMomentApart() throws InterruptedException {
        Thread.sleep(1100);
        Instant now = Instant.now();
        Thread.sleep(1100);
        return now;
    }

    private List<String> keys(S3Store store) {
        return store.list("tenants/", true, 1000, null).objects().stream().map(Entry::key).toList();
    }

    @Test
    void aTenantBecomesWhatItWas() throws Exception {
        try (StoreEmulator emulator =
                        StoreEmulator.s3mock(
                                Path.of("target", "s3mock", "s3mock-exec.jar"), directory);
                S3Client client =
                        S3Client.builder()
                                .endpointOverride(URI.create(emulator.endpoint()))
                                .forcePathStyle(true)
                                .region(Region.EU_NORTH_1)
                                .credentialsProvider(ANYBODY)
                                .httpClientBuilder(Apache5HttpClient.builder())
                                .build();
                S3Store store =
                        new S3Store(
                                new StoreSettings.S3(
                                        BUCKET,
                                        "eu-north-1",
                                        "p/",
                                        emulator.endpoint(),
                                        null,
                                        StoreSettings.Bounds.DEFAULT),
                                ANYBODY)) {
            config =
                    "remote_storage={endpoint='%s',bucket_name='%s',bucket_region='eu-north-1',prefix_in_bucket='p'}"
                            .formatted(emulator.endpoint(), BUCKET);
            client.createBucket(b -> b.bucket(BUCKET));
            client.putBucketVersioning(b ->
                    b.bucket(BUCKET)
                            .versioningConfiguration(
                                    v -> v.status(BucketVersioningStatus.ENABLED)));
            Instant before = aMomentApart();
            fill(store);
            Instant good = aMomentApart();
            ruin(store);
            assertEquals(6, run("scrub"), out + "" + err);

            List<String> ruined = keys(store);
            String at = good.toString();
            assertEquals(0, run("restore", TENANT.toString(), "--at", at), out + "" + err);
            assertTrue(out.toString().contains("nothing was changed"), "" + out);
            assertEquals(ruined, keys(store));

            assertEquals(0, run("restore", TENANT.toString(), "--at", at, "--yes"), out + "" + err);
            assertTrue(out.toString().contains("restored under generation 00000003"), "" + out);
            assertTrue(keys(store).containsAll(ruined), "" + keys(store));
            assertEquals(0, run("scrub"), out + "" + err);
            assertEquals(0, run("verify", "--full", "--json"), out + "" + err);
            assertEquals(layers.size(), json().get("layers").asInt());
            // What the newest index names and is as it was is not copied.
            String kept = timelineOf(layers.getFirst());
            assertEquals(
                    2 + layers.stream().filter(layer -> !timelineOf(layer).equals(kept)).count(),
                    keys(store).stream()
                            .filter(key -> key.contains("__") && key.endsWith("-00000003"))
                            .count());

            assertEquals(3, run("restore", TENANT.toString(), "--at", before.toString()), "" + out);
            assertTrue(err.toString().contains("The oldest version of anything"), "" + err);
            assertEquals(2, run("restore", TENANT.toString(), "--at", "0/16B3748"), "" + out);
            assertEquals(3, run("restore", "9".repeat(32), "--at", at), out + "" + err);
            losesAVersion(client, store, at);
        }
    }

    /** A layer deleted, another overwritten, a branch forgotten: by hand, or by an attacker. */
    private void ruin(S3Store store) {
        store.delete(List.of(layers.getFirst()));
        put(store, layers.get(1), new byte[100]);
        manifest(
                store,
                2,
                timelines.stream().filter(t -> layers.getFirst().contains("" + t.id())).toList());
    }

    private static String timelineOf(String layer) {
        return layer.split("/")[3];
    }

    /** What no version is left of cannot be restored, and then nothing is. */
    private void losesAVersion(S3Client client, S3Store store, String at) throws IOException {
        String key = "p/" + layers.getFirst();
        for (ObjectVersion version :
                client.listObjectVersions(b -> b.bucket(BUCKET).prefix(key)).versions()) {
            client.deleteObject(b -> b.bucket(BUCKET).key(key).versionId(version.versionId()));
        }
        List<String> there = keys(store);
        assertEquals(6, run("restore", TENANT.toString(), "--at", at, "--json"), "" + err);
        assertTrue(json().findValuesAsText("lost").size() > 0);
        assertTrue(out.toString().contains(layers.getFirst()), "" + out);
        assertEquals(4, run("restore", TENANT.toString(), "--at", at, "--yes"), "" + out);
        assertTrue(err.toString().contains("no version is left"), "" + err);
        assertEquals(there, keys(store));
    }

    @Test
    void aDirectoryHasNoVersions() {
        config = "remote_storage={local_path='" + directory.resolve("store") + "'}";
        assertEquals(1, run("restore", TENANT.toString(), "--at", "-1h"), out + "" + err);
        assertTrue(
                err.toString().contains("keeps no versions of its objects: a directory"), "" + err);
        assertFalse(err.toString().contains("Exception"), "" + err);
    }
}
