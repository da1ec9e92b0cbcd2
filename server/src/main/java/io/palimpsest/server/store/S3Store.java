package io.palimpsest.server.store;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.function.Function;
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
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.CopyPartResult;
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
public final class S3Store implements ObjectStore, LeftOvers, AutoCloseable {
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

    private AwsRequestOverrideConfiguration within(Duration timeout) {
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
                : putPieces(key, full, pieces, content, condition);
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
                                                    .ifNoneMatch(ifNoneMatch(condition))
                                                    .ifMatch(ifMatch(condition))
                                                    .storageClass(settings.storageClass())
                                                    .overrideConfiguration(large());
                                            if (amazon) {
                                                r.checksumCRC32C(base64(content.crc32c()));
                                            } else {
                                                r.contentMD5(base64(Pieces.md5(bytes)));
                                            }
                                        },
                                        RequestBody.fromBytes(bytes))
                                .eTag());
    }

    private String putPieces(
            String key, String full, Pieces pieces, Content content, Condition condition) {
        return finishPieces(
                key,
                full,
                content,
                condition,
                upload -> {
                    List<CompletedPart> parts = new ArrayList<>();
                    while (pieces.hasNext()) {
                        parts.add(putPiece(key, full, upload, parts.size() + 1, pieces.next()));
                    }
                    return parts;
                });
    }

    /**
     * Makes an object of pieces, in one step once all are there; if that fails they are deleted.
     *
     * @param pieces puts them all, given the upload's id
     */
    private String finishPieces(
            String key,
            String full,
            Content content,
            Condition condition,
            Function<String, List<CompletedPart>> pieces) {
        String upload =
                attempt(
                        "CreateMultipartUpload",
                        key,
                        () ->
                                client.createMultipartUpload(
                                                r -> {
                                                    r.bucket(settings.bucket())
                                                            .key(full)
                                                            .metadata(
                                                                    StoredChecksum.metadata(
                                                                            content))
                                                            .storageClass(settings.storageClass())
                                                            .overrideConfiguration(small());
                                                    if (amazon) {
                                                        r.checksumAlgorithm("CRC32C")
                                                                .checksumType("FULL_OBJECT");
                                                    }
                                                })
                                        .uploadId());
        boolean done = false;
        try {
            List<CompletedPart> parts = pieces.apply(upload);
            String version =
                    attempt(
                            "CompleteMultipartUpload",
                            key,
                            () ->
                                    client.completeMultipartUpload(
                                                    r -> {
                                                        r.bucket(settings.bucket())
                                                                .key(full)
                                                                .uploadId(upload)
                                                                .multipartUpload(
                                                                        m -> m.parts(parts))
                                                                .ifNoneMatch(ifNoneMatch(condition))
                                                                .ifMatch(ifMatch(condition))
                                                                .overrideConfiguration(large());
                                                        if (amazon) {
                                                            r.checksumType("FULL_OBJECT")
                                                                    .checksumCRC32C(
                                                                            base64(
                                                                                    content
                                                                                            .crc32c()));
                                                        }
                                                    })
                                            .eTag());
            done = true;
            return version;
        } finally {
            if (!done) {
                abort(full, upload);
            }
        }
    }

    private CompletedPart putPiece(
            String key, String full, String upload, int number, byte[] piece) {
        String crc = base64(crc32c(piece));
        String tag =
                attempt(
                        "UploadPart",
                        key,
                        () ->
                                client.uploadPart(
                                                r -> {
                                                    r.bucket(settings.bucket())
                                                            .key(full)
                                                            .uploadId(upload)
                                                            .partNumber(number)
                                                            .overrideConfiguration(large());
                                                    if (amazon) {
                                                        r.checksumCRC32C(crc);
                                                    } else {
                                                        r.contentMD5(base64(Pieces.md5(piece)));
                                                    }
                                                },
                                                RequestBody.fromBytes(piece))
                                        .eTag());
        CompletedPart.Builder part = CompletedPart.builder().partNumber(number).eTag(tag);
        return amazon ? part.checksumCRC32C(crc).build() : part.build();
    }

    private void abort(String full, String upload) {
        try {
            abortUpload(full, upload);
        } catch (PageserverException e) {
            // The failure that led here is the one to tell; leftOvers shows this one.
        }
    }

    private void abortUpload(String full, String upload) {
        attempt(
                "AbortMultipartUpload",
                full,
                () ->
                        client.abortMultipartUpload(r ->
                                r.bucket(settings.bucket())
                                        .key(full)
                                        .uploadId(upload)
                                        .overrideConfiguration(small())));
    }

    /** Pieces whose object was never finished. */
    @Override
    public List<LeftOver> leftOvers(Duration age) {
        Instant before = Instant.now().minus(age);
        return attempt(
                "ListMultipartUploads",
                settings.prefix(),
                () ->
                        client
                                .listMultipartUploadsPaginator(
                                        r -> r.bucket(settings.bucket()).prefix(settings.prefix()))
                                .uploads()
                                .stream()
                                .filter(u -> !u.initiated().isAfter(before))
                                .map(u ->
                                        new LeftOver(
                                                u.key().substring(settings.prefix().length()),
                                                u.uploadId(),
                                                u.initiated().toEpochMilli(),
                                                0))
                                .toList());
    }

    @Override
    public void delete(LeftOver leftOver) {
        try {
            abortUpload(settings.prefix() + leftOver.name(), leftOver.id());
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
        }
    }

    private static @Nullable String ifNoneMatch(Condition condition) {
        return condition instanceof Condition.Absent ? "*" : null;
    }

    private static @Nullable String ifMatch(Condition condition) {
        return condition instanceof Condition.Version v ? v.version() : null;
    }

    private static int crc32c(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    private static String base64(int crc32c) {
        byte[] b = new byte[4];
        io.palimpsest.base.Bytes.putI32BE(b, 0, crc32c);
        return base64(b);
    }

    private static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    @Override
    public Stored get(String key, Sink sink) {
        long deadline = System.nanoTime() + settings.bounds().timeout().toNanos();
        CRC32C crc = new CRC32C();
        byte[] buffer = new byte[BUFFER];
        long at = 0;
        Stored stored;
        try (Body body = open(key, null)) {
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
     * @param range as HTTP writes it; null: all
     */
    private Body open(String key, @Nullable String range) {
        String full = full(key);
        return new Body(
                attempt(
                        "GetObject",
                        key,
                        () ->
                                client.getObject(r ->
                                        r.bucket(settings.bucket())
                                                .key(full)
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
        try (Body body = open(key, range)) {
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
        String full = full(key);
        HeadObjectResponse object;
        try {
            object =
                    attempt(
                            "HeadObject",
                            key,
                            () ->
                                    client.headObject(r ->
                                            r.bucket(settings.bucket())
                                                    .key(full)
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
        String source = full(from);
        String target = full(to);
        Stored there = head(from);
        if (there.length() > copiedAtOnce) {
            copyPieces(from, source, target, there);
            return;
        }
        attempt(
                "CopyObject",
                from,
                () ->
                        client.copyObject(r ->
                                r.sourceBucket(settings.bucket())
                                        .sourceKey(source)
                                        .destinationBucket(settings.bucket())
                                        .destinationKey(target)
                                        .storageClass(settings.storageClass())
                                        .overrideConfiguration(large())));
    }

    private void copyPieces(String key, String source, String target, Stored there) {
        Content content =
                new ObjectStore.Part(
                        there.length(),
                        there.crc32c(),
                        (position, into, offset, length) -> {
                            throw new IllegalStateException("a copy is not read");
                        });
        finishPieces(
                key,
                target,
                content,
                Condition.ALWAYS,
                upload -> {
                    List<CompletedPart> parts = new ArrayList<>();
                    for (long at = 0; at < there.length(); at += copiedAtOnce) {
                        long end = Math.min(there.length(), at + copiedAtOnce);
                        String range = "bytes=%d-%d".formatted(at, end - 1);
                        parts.add(
                                copyPiece(
                                        key,
                                        source,
                                        target,
                                        upload,
                                        parts.size() + 1,
                                        range,
                                        there));
                    }
                    return parts;
                });
    }

    private CompletedPart copyPiece(
            String key,
            String source,
            String target,
            String upload,
            int number,
            String range,
            Stored there) {
        CopyPartResult copied =
                attempt(
                        "UploadPartCopy",
                        key,
                        () ->
                                client.uploadPartCopy(r ->
                                                r.sourceBucket(settings.bucket())
                                                        .sourceKey(source)
                                                        .copySourceRange(range)
                                                        .copySourceIfMatch(there.version())
                                                        .destinationBucket(settings.bucket())
                                                        .destinationKey(target)
                                                        .uploadId(upload)
                                                        .partNumber(number)
                                                        .overrideConfiguration(large()))
                                        .copyPartResult());
        return CompletedPart.builder()
                .partNumber(number)
                .eTag(copied.eTag())
                .checksumCRC32C(copied.checksumCRC32C())
                .build();
    }
}
