package io.palimpsest.server.store;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.server.store.LeftOvers.LeftOver;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.awscore.AwsRequestOverrideConfiguration;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.CopyPartResult;

/** Objects of S3 that are made of pieces, since they are too large for one request. */
final class S3Uploads {
    private final StoreSettings.S3 settings;
    private final S3Client client;
    private final S3Errors errors;
    private final boolean amazon;

    S3Uploads(StoreSettings.S3 settings, S3Client client, S3Errors errors) {
        this.settings = settings;
        this.client = client;
        this.errors = errors;
        this.amazon = settings.endpoint() == null;
    }

    private <T> T attempt(String action, String key, Supplier<T> request) {
        return errors.attempt(action, key, request);
    }

    private AwsRequestOverrideConfiguration small() {
        return S3Store.within(settings.bounds().smallTimeout());
    }

    private AwsRequestOverrideConfiguration large() {
        return S3Store.within(settings.bounds().timeout());
    }

    /**
     * Puts an object piece by piece.
     *
     * @param full the key with the store's prefix
     * @return its version
     */
    String put(String key, String full, Pieces pieces, Content content, Condition condition) {
        return finish(
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
    private String finish(
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

    /**
     * Copies an object piece by piece, within the store.
     *
     * @param id of the version to copy; null: the newest
     * @param full where it is, with the store's prefix
     * @param target where it goes, with the store's prefix
     * @param there what it is
     * @param pieceSize bytes
     */
    void copy(
            String key,
            @Nullable String id,
            String full,
            String target,
            Stored there,
            long pieceSize) {
        Content content =
                new ObjectStore.Part(
                        there.length(),
                        there.crc32c(),
                        (position, into, offset, length) -> {
                            throw new IllegalStateException("a copy is not read");
                        });
        finish(
                key,
                target,
                content,
                Condition.ALWAYS,
                upload -> {
                    List<CompletedPart> parts = new ArrayList<>();
                    for (long at = 0; at < there.length(); at += pieceSize) {
                        long end = Math.min(there.length(), at + pieceSize);
                        String range = "bytes=%d-%d".formatted(at, end - 1);
                        parts.add(
                                copyPiece(
                                        key,
                                        id,
                                        full,
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
            @Nullable String id,
            String full,
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
                                                        .sourceKey(full)
                                                        .sourceVersionId(id)
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

    /** Pieces whose object was never finished. */
    List<LeftOver> leftOvers(Duration age) {
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

    void delete(LeftOver leftOver) {
        try {
            abortUpload(settings.prefix() + leftOver.name(), leftOver.id());
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
        }
    }

    static @Nullable String ifNoneMatch(Condition condition) {
        return condition instanceof Condition.Absent ? "*" : null;
    }

    static @Nullable String ifMatch(Condition condition) {
        return condition instanceof Condition.Version v ? v.version() : null;
    }

    private static int crc32c(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    static String base64(int crc32c) {
        byte[] b = new byte[4];
        io.palimpsest.base.Bytes.putI32BE(b, 0, crc32c);
        return base64(b);
    }

    static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
