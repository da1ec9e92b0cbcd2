package io.palimpsest.server.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Listing;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.port.ObjectVersions;
import io.palimpsest.sim.contract.ObjectStoreContract;
import io.palimpsest.sim.contract.ObjectVersionsContract;
import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.core.sync.RequestBody;

/**
 * Against S3Mock; and against any S3 where PALIMPSEST_TEST_S3_BUCKET is set (and
 * PALIMPSEST_TEST_S3_REGION, PALIMPSEST_TEST_S3_ENDPOINT where it is not Amazon's), with the
 * identity that the library's chain finds.
 */
class S3StoreTest {
    private static final int LARGE = Pieces.SIZE + 12_345;

    @TempDir static Path directory = Path.of("");
    private static @Nullable S3Mock mock;
    private static int prefixes;

    @BeforeAll
    static void start() {
        mock = new S3Mock(directory);
    }

    @AfterAll
    static void stop() {
        s3().close();
    }

    private static S3Mock s3() {
        if (mock == null) {
            throw new IllegalStateException("S3Mock was not started");
        }
        return mock;
    }

    /** Each test in a place of its own. */
    private static String freshPrefix() {
        return "tests/run-" + prefixes++ + "/";
    }

    private static S3Store store(String prefix) {
        return new S3Store(s3().settings(prefix), S3Mock.ANYBODY);
    }

    private static byte[] bytes(int length, long seed) {
        byte[] b = new byte[length];
        new Prng(seed).nextBytes(b, 0, length);
        return b;
    }

    private static PageserverException fails(ErrorCode code, Runnable action) {
        PageserverException e = assertThrows(PageserverException.class, action::run);
        assertEquals(code, e.code(), e.getMessage());
        return e;
    }

    @Nested
    class Contract extends ObjectStoreContract {
        @Override
        protected void inWorld(Consumer<World> body) {
            try (S3Store store = store(freshPrefix())) {
                StoreWorld.run(store, body);
            }
        }

        /** S3Mock has all of them; {@link AnyS3} is where they are tried. */
        @Override
        protected boolean has(Defect defect) {
            return true;
        }

        @Override
        protected int severalPieces() {
            return LARGE;
        }
    }

    private static S3Store versioned() {
        StoreSettings.S3 settings = s3().settings(freshPrefix());
        // One page: S3Mock's pages of versions leave some out. S3AnswersTest has two.
        return new S3Store(
                new StoreSettings.S3(
                        s3().versionedBucket(),
                        settings.region(),
                        settings.prefix(),
                        settings.endpoint(),
                        null,
                        settings.bounds()),
                S3Mock.ANYBODY);
    }

    @Test
    void aBucketWithVersionsIsToldFromOneWithout() {
        try (S3Store store = versioned()) {
            List<StoreProbe.Step> steps = StoreProbe.run(store, store, store, new SecureRandom());
            assertTrue(steps.stream().allMatch(StoreProbe.Step::good), steps.toString());
        }
    }

    @Nested
    class Versions extends ObjectVersionsContract {
        @Override
        protected void withStore(BiConsumer<ObjectStore, ObjectVersions> body) {
            try (S3Store store = versioned()) {
                body.accept(store, store);
            }
        }
    }

    @Nested
    class AnyS3 extends ObjectStoreContract {
        @Override
        protected void inWorld(Consumer<World> body) {
            String bucket = System.getenv("PALIMPSEST_TEST_S3_BUCKET");
            Assumptions.assumeTrue(bucket != null, "PALIMPSEST_TEST_S3_BUCKET is not set");
            String region = System.getenv("PALIMPSEST_TEST_S3_REGION");
            String prefix = "palimpsest-test/%016x/".formatted(new SecureRandom().nextLong());
            StoreSettings.S3 settings =
                    new StoreSettings.S3(
                            String.valueOf(bucket),
                            region == null ? "us-east-1" : region,
                            prefix,
                            System.getenv("PALIMPSEST_TEST_S3_ENDPOINT"),
                            null,
                            StoreSettings.Bounds.DEFAULT);
            try (S3Store store =
                    new S3Store(settings, DefaultCredentialsProvider.builder().build())) {
                try {
                    StoreWorld.run(store, body);
                } finally {
                    deleteAll(store);
                }
            }
        }

        private void deleteAll(ObjectStore store) {
            String page = null;
            do {
                Listing listing = store.list("", true, 1000, page);
                store.delete(listing.objects().stream().map(ObjectStore.Entry::key).toList());
                page = listing.next();
            } while (page != null);
        }

        @Override
        protected int severalPieces() {
            return LARGE;
        }
    }

    @Test
    void aFailedLargePutLeavesNoPieces() {
        try (S3Store store = store(freshPrefix())) {
            Content failing =
                    new ObjectStore.Part(
                            3L * Pieces.SIZE,
                            0,
                            (position, into, offset, length) -> {
                                if (position >= Pieces.SIZE) {
                                    throw PageserverException.of(ErrorCode.IO, "no disk");
                                }
                            });
            fails(ErrorCode.IO, () -> store.put("k", failing, Condition.ALWAYS));
            assertEquals(List.of(), store.leftOvers(Duration.ZERO));
        }
    }

    @Test
    void piecesThatACrashLeftAreDeleted() {
        String prefix = freshPrefix();
        try (S3Store store = store(prefix);
                S3Store neighbour = store(freshPrefix())) {
            String upload =
                    s3().client
                            .createMultipartUpload(b -> b.bucket(S3Mock.BUCKET).key(prefix + "a/k"))
                            .uploadId();
            s3().client
                    .uploadPart(
                            b ->
                                    b.bucket(S3Mock.BUCKET)
                                            .key(prefix + "a/k")
                                            .uploadId(upload)
                                            .partNumber(1),
                            RequestBody.fromBytes(bytes(10, 1)));
            assertEquals(List.of(), store.leftOvers(Duration.ofDays(1)));
            assertEquals(List.of(), neighbour.leftOvers(Duration.ZERO));
            List<LeftOvers.LeftOver> found = store.leftOvers(Duration.ZERO);
            assertEquals(List.of("a/k"), found.stream().map(LeftOvers.LeftOver::name).toList());
            store.delete(found.getFirst());
            assertEquals(List.of(), store.leftOvers(Duration.ZERO));
            store.delete(found.getFirst());
        }
    }

    @Test
    void whatIsTooLargeForOneCopyIsCopiedInPieces() {
        byte[] content = bytes(LARGE, 3);
        try (S3Store store = new S3Store(s3().settings(freshPrefix()), S3Mock.ANYBODY, 6 << 20)) {
            store.put("from", Content.of(content), Condition.ALWAYS);
            store.copy("from", "to");
            ByteArrayOutputStream got = new ByteArrayOutputStream();
            Stored copied = store.get("to", got::write);
            assertArrayEquals(content, got.toByteArray());
            assertEquals(store.head("from").crc32c(), copied.crc32c());
            assertEquals(List.of(), store.leftOvers(Duration.ZERO));
            fails(ErrorCode.NOT_FOUND, () -> store.copy("nothing", "to"));
        }
    }

    @Test
    void whatOthersPutIsCountedAndRefused() {
        String prefix = freshPrefix();
        try (S3Store store = store(prefix)) {
            store.put("mine", Content.of(bytes(10, 1)), Condition.ALWAYS);
            for (String key : List.of("../escape", "a b", "bare")) {
                s3().client
                        .putObject(
                                b -> b.bucket(S3Mock.BUCKET).key(prefix + key),
                                RequestBody.fromBytes(bytes(10, 2)));
            }
            Listing listing = store.list("", true, 100, null);
            assertEquals(
                    List.of("bare", "mine"),
                    listing.objects().stream().map(ObjectStore.Entry::key).toList());
            assertEquals(2, listing.foreign());
            // It has no checksum of ours.
            fails(ErrorCode.CORRUPTION, () -> store.get("bare", (b, o, l) -> {}));
        }
    }

    @Test
    void aBucketThatIsNotThereIsNoMissingObject() {
        StoreSettings.S3 settings =
                new StoreSettings.S3(
                        "no-such-bucket",
                        "eu-north-1",
                        "",
                        s3().endpoint,
                        null,
                        StoreSettings.Bounds.DEFAULT);
        try (S3Store store = new S3Store(settings, S3Mock.ANYBODY)) {
            for (Runnable r :
                    List.<Runnable>of(
                            () -> store.head("k"),
                            () -> store.get("k", (b, o, l) -> {}),
                            () -> store.put("k", Content.of(bytes(1, 1)), Condition.ALWAYS),
                            () -> store.list("", true, 10, null))) {
                PageserverException e = fails(ErrorCode.BAD_REQUEST, r);
                assertTrue(String.valueOf(e.getMessage()).contains("no-such-bucket"));
            }
        }
    }

    @Test
    void everythingAPageServerDoesWorks() {
        try (S3Store store = store(freshPrefix())) {
            List<StoreProbe.Step> steps = StoreProbe.run(store, store, store, new SecureRandom());
            List<String> not =
                    steps.stream().filter(s -> !s.good()).map(StoreProbe.Step::what).toList();
            assertEquals(List.of("list versions"), not, steps.toString());
            assertTrue(steps.stream().allMatch(s -> s.good() || !s.needed()), steps.toString());
            assertFalse(store.identity().contains("secret"));
            assertEquals(List.of(), store.list("", true, 10, null).objects());
        }
    }
}
