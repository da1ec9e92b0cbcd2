package io.palimpsest.server.store;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectVersions;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.awscore.AwsRequestOverrideConfiguration;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.core.ResponseInputStream;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;
import software.amazon.awssdk.services.s3.model.CommonPrefix;
import software.amazon.awssdk.services.s3.model.DeleteObjectsResponse;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Response;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Error;
import software.amazon.awssdk.services.s3.model.S3Object;

/**
 * A bucket of S3, or of what speaks like it.
 *
 * <p>Each request is sent once: the library's retries are off, and so are those of the HTTP client.
 * An object of more than {@link Pieces#SIZE} goes up in pieces, one after the other, which become
 * an object in one step; if that fails they are deleted, and what a crash leaves is for {@link
 * #leftOvers}.
 *
 * <p>The CRC32C of an object is in its metadata. On the way up Amazon verifies it as its own
 * checksum; others verify an MD5, which all of them know, and get no header they may not.
 */
public final class S3Store implements ObjectStore, ObjectVersions, LeftOvers, AutoCloseable {
    /** As many as S3 deletes with one request. */
    private static final int DELETED_AT_ONCE = 1000;

    private static final int BUFFER = 1 << 16;

    /** As much as S3 copies with one request. */
    private static final long COPIED_AT_ONCE = 5L << 30;

    private final long copiedAtOnce;
    private final StoreSettings.S3 settings;
    private final S3Client client;
    private final S3Errors errors;
    private final boolean amazon;
    private final S3Uploads uploads;
    private final S3Versions versions;

    /** That the bucket is there: an answer to HEAD does not tell it from the object. */
    private volatile boolean bucketSeen;

    /** The identity is found when it is needed first. */
    public S3Store(StoreSettings.S3 settings, AwsCredentialsProvider credentials) {
        this(settings, credentials, COPIED_AT_ONCE);
    }

    /**
     * @param copiedAtOnce bytes of a copy that takes one request, and of a piece of a larger one
     */
    S3Store(StoreSettings.S3 settings, AwsCredentialsProvider credentials, long copiedAtOnce) {
        this.copiedAtOnce = copiedAtOnce;
        this.settings = settings;
        this.errors = new S3Errors(settings, credentials);
        String endpoint = settings.endpoint();
        amazon = endpoint == null;
        S3ClientBuilder builder =
                S3Client.builder()
                        .region(Region.of(settings.region()))
                        .credentialsProvider(credentials)
                        .httpClientBuilder(
                                Apache5HttpClient.builder()
                                        .maxConnections(settings.concurrencyLimit())
                                        .connectionTimeout(Duration.ofSeconds(10))
                                        .connectionAcquisitionTimeout(
                                                settings.bounds().smallTimeout())
                                        .socketTimeout(settings.bounds().smallTimeout()))
                        .overrideConfiguration(c -> c.retryStrategy(AwsRetryStrategy.doNotRetry()))
                        .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
                        .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED);
        if (endpoint != null) {
            builder.endpointOverride(URI.create(endpoint)).forcePathStyle(true);
        }
        client = builder.build();
        uploads = new S3Uploads(settings, client, errors);
        versions = new S3Versions(settings, client, errors);
    }

    /** Whose key is used and where it was found; never the key itself. */
    public String identity() {
        return errors.identity();
    }

    @Override
    public void close() {
        client.close();
    }

    private String full(String key) {
        return settings.prefix() + ObjectStore.requireKey(key);
    }

    private <T> T attempt(String action, String key, Supplier<T> request) {
        return errors.attempt(action, key, request);
    }

    static AwsRequestOverrideConfiguration within(Duration timeout) {
        return AwsRequestOverrideConfiguration.builder().apiCallTimeout(timeout).build();
    }

    private AwsRequestOverrideConfiguration small() {
        return within(settings.bounds().smallTimeout());
    }

    private AwsRequestOverrideConfiguration large() {
        return within(settings.bounds().timeout());
    }

    @Override
    public String put(String key, Content content, Condition condition) {
        String full = full(key);
        Pieces pieces = new Pieces(key, content);
        return content.length() <= Pieces.SIZE
                ? putWhole(key, full, pieces.next(), content, condition)
                : uploads.put(key, full, pieces, content, condition);
    }

    private String putWhole(
            String key, String full, byte[] bytes, Content content, Condition condition) {
        return attempt(
                "PutObject",
                key,
                () ->
                        client.putObject(
                                        r -> {
                                            r.bucket(settings.bucket())
                                                    .key(full)
                                                    .metadata(StoredChecksum.metadata(content))
                                                    .ifNoneMatch(S3Uploads.ifNoneMatch(condition))
                                                    .ifMatch(S3Uploads.ifMatch(condition))
                                                    .storageClass(settings.storageClass())
                                                    .overrideConfiguration(large());
                                            if (amazon) {
                                                r.checksumCRC32C(
                                                        S3Uploads.base64(content.crc32c()));
                                            } else {
                                                r.contentMD5(S3Uploads.base64(Pieces.md5(bytes)));
                                            }
                                        },
                                        RequestBody.fromBytes(bytes))
                                .eTag());
    }

    @Override
    public Stored get(String key, Sink sink) {
        return read(key, null, sink);
    }

    @Override
    public Stored get(String key, String id, Sink sink) {
        return read(key, id, sink);
    }

    private Stored read(String key, @Nullable String id, Sink sink) {
        long deadline = System.nanoTime() + settings.bounds().timeout().toNanos();
        CRC32C crc = new CRC32C();
        byte[] buffer = new byte[BUFFER];
        long at = 0;
        Stored stored;
        try (Body body = open(key, id, null)) {
            GetObjectResponse object = body.in.response();
            stored =
                    new Stored(
                            object.contentLength(),
                            StoredChecksum.of(key, object.metadata()),
                            object.eTag(),
                            object.lastModified().toEpochMilli());
            for (int n; (n = body.read(key, buffer, 0, buffer.length, deadline)) >= 0; at += n) {
                crc.update(buffer, 0, n);
                sink.accept(buffer, 0, n);
            }
            body.whole = true;
        }
        if (at != stored.length()) {
            throw brokenOff(key, at, stored.length());
        }
        LocalStore.requireChecksum(key, stored.crc32c(), (int) crc.getValue());
        return stored;
    }

    /**
     * Asks for an object, or for a part of it.
     *
     * @param id of a version; null: the newest
     * @param range as HTTP writes it; null: all
     */
    private Body open(String key, @Nullable String id, @Nullable String range) {
        String full = full(key);
        return new Body(
                attempt(
                        id == null ? "GetObject" : "GetObjectVersion",
                        key,
                        () ->
                                client.getObject(r ->
                                        r.bucket(settings.bucket())
                                                .key(full)
                                                .versionId(id)
                                                .range(range)
                                                .overrideConfiguration(large()))));
    }

    /** An answer's bytes. One that was not read to its end is given up with its connection. */
    private static final class Body implements AutoCloseable {
        private final ResponseInputStream<GetObjectResponse> in;
        private boolean whole;

        Body(ResponseInputStream<GetObjectResponse> in) {
            this.in = in;
        }

        int read(String key, byte[] into, int offset, int length, long deadline) {
            if (System.nanoTime() - deadline > 0) {
                throw PageserverException.of(
                        ErrorCode.UNAVAILABLE, "GetObject %s: took longer than allowed", key);
            }
            try {
                return in.read(into, offset, length);
            } catch (IOException e) {
                throw new PageserverException(
                        ErrorCode.UNAVAILABLE, "GetObject " + key + ": broke off: " + e, e);
            }
        }

        @Override
        public void close() {
            if (!whole) {
                in.abort();
                return;
            }
            try {
                in.close();
            } catch (IOException e) {
                // All of it is here.
            }
        }
    }

    private static PageserverException brokenOff(String key, long found, long expected) {
        return PageserverException.of(
                ErrorCode.UNAVAILABLE,
                "GetObject %s: broke off after %d of %d bytes",
                key,
                found,
                expected);
    }

    @Override
    public void get(String key, long position, byte[] into, int offset, int length) {
        ObjectStore.requireKey(key);
        if (length == 0) {
            return;
        }
        long deadline = System.nanoTime() + settings.bounds().timeout().toNanos();
        String range = "bytes=%d-%d".formatted(position, position + length - 1);
        try (Body body = open(key, null, range)) {
            long promised = body.in.response().contentLength();
            if (promised < length) {
                throw PageserverException.corruption(
                        "%s: expected %d bytes at %d, found %d", key, length, position, promised);
            }
            for (int at = 0; at < length; ) {
                int n = body.read(key, into, offset + at, length - at, deadline);
                if (n < 0) {
                    throw brokenOff(key, at, length);
                }
                at += n;
            }
            body.whole = promised == length;
        }
    }

    @Override
    public Stored head(String key) {
        return head(key, null);
    }

    private Stored head(String key, @Nullable String id) {
        String full = full(key);
        HeadObjectResponse object;
        try {
            object =
                    attempt(
                            id == null ? "HeadObject" : "HeadObjectVersion",
                            key,
                            () ->
                                    client.headObject(r ->
                                            r.bucket(settings.bucket())
                                                    .key(full)
                                                    .versionId(id)
                                                    .overrideConfiguration(small())));
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND && !bucketSeen) {
                list("", false, 1, null);
            }
            throw e;
        }
        return new Stored(
                object.contentLength(),
                StoredChecksum.of(key, object.metadata()),
                object.eTag(),
                object.lastModified().toEpochMilli());
    }

    @Override
    public Listing list(String prefix, boolean recursive, int limit, @Nullable String page) {
        ObjectStore.requirePrefix(prefix);
        ListObjectsV2Response answer =
                attempt(
                        "ListObjectsV2",
                        prefix,
                        () ->
                                client.listObjectsV2(r ->
                                        r.bucket(settings.bucket())
                                                .prefix(settings.prefix() + prefix)
                                                .delimiter(recursive ? null : "/")
                                                .maxKeys(
                                                        Math.min(
                                                                limit,
                                                                settings.bounds().listPage()))
                                                .continuationToken(page)
                                                .overrideConfiguration(small())));
        bucketSeen = true;
        OwnKeys own = new OwnKeys(settings.prefix());
        for (S3Object o : answer.contents()) {
            own.object(o.key(), o.size(), o.lastModified().toEpochMilli());
        }
        for (CommonPrefix p : answer.commonPrefixes()) {
            own.directory(p.prefix());
        }
        return own.listing(
                Boolean.TRUE.equals(answer.isTruncated()) ? answer.nextContinuationToken() : null);
    }

    @Override
    public void delete(List<String> keys) {
        List<ObjectIdentifier> all =
                keys.stream()
                        .map(this::full)
                        .distinct()
                        .map(k -> ObjectIdentifier.builder().key(k).build())
                        .toList();
        for (int at = 0; at < all.size(); at += DELETED_AT_ONCE) {
            List<ObjectIdentifier> some =
                    all.subList(at, Math.min(all.size(), at + DELETED_AT_ONCE));
            DeleteObjectsResponse answer =
                    attempt(
                            "DeleteObjects",
                            some.getFirst().key(),
                            () ->
                                    client.deleteObjects(r ->
                                            r.bucket(settings.bucket())
                                                    .delete(d -> d.objects(some).quiet(true))
                                                    .overrideConfiguration(small())));
            for (S3Error e : answer.errors()) {
                if (!"NoSuchKey".equals(e.code())) {
                    throw errors.of("DeleteObjects", e.key(), e.code(), 0, e.message(), null);
                }
            }
        }
    }

    @Override
    public void copy(String from, String to) {
        copyVersion(from, null, to);
    }

    @Override
    public void copy(String key, String id, String to) {
        copyVersion(key, id, to);
    }

    private void copyVersion(String from, @Nullable String id, String to) {
        String source = full(from);
        String target = full(to);
        Stored there = head(from, id);
        if (there.length() > copiedAtOnce) {
            uploads.copy(from, id, source, target, there, copiedAtOnce);
            return;
        }
        attempt(
                "CopyObject",
                from,
                () ->
                        client.copyObject(r ->
                                r.sourceBucket(settings.bucket())
                                        .sourceKey(source)
                                        .sourceVersionId(id)
                                        .destinationBucket(settings.bucket())
                                        .destinationKey(target)
                                        .storageClass(settings.storageClass())
                                        .overrideConfiguration(large())));
    }

    /** Pieces whose object was never finished. */
    @Override
    public List<LeftOver> leftOvers(Duration age) {
        return uploads.leftOvers(age);
    }

    @Override
    public void delete(LeftOver leftOver) {
        uploads.delete(leftOver);
    }

    @Override
    public Page versions(String prefix, @Nullable String page) {
        return versions.versions(prefix, page);
    }
}
