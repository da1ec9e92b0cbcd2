package io.palimpsest.server.store;

import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.core.http.rest.PagedResponse;
import com.azure.core.util.BinaryData;
import com.azure.core.util.Context;
import com.azure.core.util.polling.SyncPoller;
import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.BlobContainerClientBuilder;
import com.azure.storage.blob.models.BlobCopyInfo;
import com.azure.storage.blob.models.BlobDownloadContentResponse;
import com.azure.storage.blob.models.BlobDownloadHeaders;
import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.BlobProperties;
import com.azure.storage.blob.models.BlobRange;
import com.azure.storage.blob.models.BlobRequestConditions;
import com.azure.storage.blob.models.DeleteSnapshotsOptionType;
import com.azure.storage.blob.models.DownloadRetryOptions;
import com.azure.storage.blob.models.ListBlobsOptions;
import com.azure.storage.blob.options.BlockBlobCommitBlockListOptions;
import com.azure.storage.blob.options.BlockBlobSimpleUploadOptions;
import com.azure.storage.blob.options.BlockBlobStageBlockOptions;
import com.azure.storage.blob.specialized.BlockBlobClient;
import com.azure.storage.common.StorageSharedKeyCredential;
import com.azure.storage.common.policy.RequestRetryOptions;
import com.azure.storage.common.policy.RetryPolicyType;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectVersions;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Iterator;
import java.util.List;
import java.util.function.Supplier;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A container of Azure's blob storage.
 *
 * <p>Each request is sent once, the library's retries are off; but Java's HTTP client sends a get
 * anew whose connection was closed before an answer. Objects go up and down in pieces of {@link
 * Pieces#SIZE}, each with an MD5 on its way up, and become objects in one step. Blocks that never
 * did are deleted by Azure after a week. The CRC32C of an object is in its metadata.
 */
public final class AzureStore implements ObjectStore, LeftOvers {
    private static final DownloadRetryOptions ONCE =
            new DownloadRetryOptions().setMaxRetryRequests(0);

    private final StoreSettings.Azure settings;
    private final BlobContainerClient container;
    private final AzureErrors errors;
    private final SecureRandom random = new SecureRandom();

    /**
     * @param accessKey of the storage account
     * @throws PageserverException BAD_REQUEST if that is no key
     */
    public AzureStore(StoreSettings.Azure settings, String accessKey) {
        this.settings = settings;
        this.errors = new AzureErrors(settings);
        Duration timeout = settings.bounds().timeout();
        Duration smallTimeout = settings.bounds().smallTimeout();
        String endpoint = settings.endpoint();
        requireKey(accessKey);
        // The JDK's client has no other way to say so, and takes it when its first pool is made.
        System.setProperty(
                "jdk.httpclient.connectionPoolSize", Integer.toString(settings.idleConnections()));
        container =
                new BlobContainerClientBuilder()
                        .endpoint(
                                endpoint == null
                                        ? "https://" + settings.account() + ".blob.core.windows.net"
                                        : endpoint)
                        .containerName(settings.container())
                        .credential(new StorageSharedKeyCredential(settings.account(), accessKey))
                        .httpClient(
                                new JdkHttpClientBuilder()
                                        .connectionTimeout(Duration.ofSeconds(10))
                                        .readTimeout(smallTimeout)
                                        .writeTimeout(timeout)
                                        .responseTimeout(timeout)
                                        .build())
                        .retryOptions(
                                new RequestRetryOptions(
                                        RetryPolicyType.FIXED, 1, timeout, null, null, null))
                        .buildClient();
    }

    /** Whatever is wrong with it, it is not told. */
    private static void requireKey(String accessKey) {
        try {
            if (Base64.getDecoder().decode(accessKey).length > 0) {
                return;
            }
        } catch (IllegalArgumentException e) {
            // told below, without what the exception tells
        }
        throw PageserverException.badRequest(
                "AZURE_STORAGE_ACCESS_KEY is no key: expected base64 (%d characters found)",
                accessKey.length());
    }

    /** Whose key is used and where it was found; never the key itself. */
    public String identity() {
        return errors.identity();
    }

    private BlobClient blob(String key) {
        return container.getBlobClient(settings.prefix() + ObjectStore.requireKey(key));
    }

    private <T> T attempt(String action, String key, Supplier<T> request) {
        return errors.attempt(action, key, request);
    }

    private Duration small() {
        return settings.bounds().smallTimeout();
    }

    private Duration large() {
        return settings.bounds().timeout();
    }

    @Override
    public String put(String key, Content content, Condition condition) {
        BlockBlobClient blob = blob(key).getBlockBlobClient();
        Pieces pieces = new Pieces(key, content, settings.blockSize());
        if (content.length() > settings.blockSize()) {
            return putPieces(key, blob, pieces, content, condition);
        }
        byte[] bytes = pieces.next();
        return attempt(
                "Put Blob",
                key,
                () ->
                        version(
                                blob.uploadWithResponse(
                                                new BlockBlobSimpleUploadOptions(
                                                                BinaryData.fromBytes(bytes))
                                                        .setContentMd5(Pieces.md5(bytes))
                                                        .setMetadata(
                                                                StoredChecksum.metadata(content))
                                                        .setRequestConditions(
                                                                conditions(condition)),
                                                large(),
                                                Context.NONE)
                                        .getValue()
                                        .getETag()));
    }

    private String putPieces(
            String key, BlockBlobClient blob, Pieces pieces, Content content, Condition condition) {
        // Blocks of a key are everybody's who puts it: ids of our own, so that they do not mix.
        long upload = random.nextLong();
        List<String> ids = new ArrayList<>();
        while (pieces.hasNext()) {
            byte[] piece = pieces.next();
            byte[] id = ByteBuffer.allocate(12).putLong(upload).putInt(ids.size()).array();
            ids.add(Base64.getEncoder().encodeToString(id));
            attempt(
                    "Put Block",
                    key,
                    () ->
                            blob.stageBlockWithResponse(
                                    new BlockBlobStageBlockOptions(
                                                    ids.getLast(), BinaryData.fromBytes(piece))
                                            .setContentMd5(Pieces.md5(piece)),
                                    large(),
                                    Context.NONE));
        }
        return attempt(
                "Put Block List",
                key,
                () ->
                        version(
                                blob.commitBlockListWithResponse(
                                                new BlockBlobCommitBlockListOptions(ids)
                                                        .setMetadata(
                                                                StoredChecksum.metadata(content))
                                                        .setRequestConditions(
                                                                conditions(condition)),
                                                large(),
                                                Context.NONE)
                                        .getValue()
                                        .getETag()));
    }

    private static BlobRequestConditions conditions(Condition condition) {
        BlobRequestConditions conditions = new BlobRequestConditions();
        return switch (condition) {
            case Condition.Always _ -> conditions;
            case Condition.Absent _ -> conditions.setIfNoneMatch("*");
            case Condition.Version v -> conditions.setIfMatch('"' + v.version() + '"');
        };
    }

    /** Some answers quote it, some do not. */
    private static String version(String tag) {
        return tag.replace("\"", "");
    }

    @Override
    public Stored get(String key, Sink sink) {
        return get(key, blob(key), sink);
    }

    /**
     * @param blob of that key, or a version of it
     */
    Stored get(String key, BlobClient blob, Sink sink) {
        CRC32C crc = new CRC32C();
        BlobRequestConditions same = new BlobRequestConditions();
        Stored stored = null;
        long at = 0;
        do {
            BlobDownloadContentResponse answer;
            try {
                answer = download(key, blob, at, Pieces.SIZE, same);
            } catch (PageserverException e) {
                // Of an empty object there is no range.
                if (e.code() != ErrorCode.CORRUPTION || at > 0) {
                    throw replacedMeanwhile(e);
                }
                stored = head(key, blob);
                if (stored.length() > 0) {
                    throw e;
                }
                break;
            }
            BlobDownloadHeaders headers = answer.getDeserializedHeaders();
            if (stored == null) {
                String range = headers.getContentRange();
                stored =
                        new Stored(
                                Long.parseLong(range.substring(range.indexOf('/') + 1)),
                                StoredChecksum.of(key, headers.getMetadata()),
                                version(headers.getETag()),
                                headers.getLastModified().toInstant().toEpochMilli());
                same.setIfMatch('"' + stored.version() + '"');
            }
            byte[] piece = answer.getValue().toBytes();
            if (piece.length != Math.min(Pieces.SIZE, stored.length() - at)) {
                throw PageserverException.of(
                        ErrorCode.UNAVAILABLE,
                        "Get Blob %s: broke off after %d of %d bytes",
                        key,
                        at + piece.length,
                        stored.length());
            }
            crc.update(piece);
            sink.accept(piece, 0, piece.length);
            at += piece.length;
        } while (at < stored.length());
        LocalStore.requireChecksum(key, stored.crc32c(), (int) crc.getValue());
        return stored;
    }

    /** A get has no condition of its own: begun anew, it finds the new object. */
    private static PageserverException replacedMeanwhile(PageserverException e) {
        return e.code() == ErrorCode.CONFLICT
                ? new PageserverException(
                        ErrorCode.UNAVAILABLE, "replaced while it was read: " + e.getMessage(), e)
                : e;
    }

    private BlobDownloadContentResponse download(
            String key, BlobClient blob, long at, long length, BlobRequestConditions same) {
        return attempt(
                "Get Blob",
                key,
                () ->
                        blob.downloadContentWithResponse(
                                ONCE,
                                same,
                                new BlobRange(at, length),
                                false,
                                large(),
                                Context.NONE));
    }

    @Override
    public void get(String key, long position, byte[] into, int offset, int length) {
        BlobClient blob = blob(key);
        if (length == 0) {
            return;
        }
        byte[] bytes =
                download(key, blob, position, length, new BlobRequestConditions())
                        .getValue()
                        .toBytes();
        if (bytes.length != length) {
            throw PageserverException.corruption(
                    "%s: expected %d bytes at %d, found %d", key, length, position, bytes.length);
        }
        System.arraycopy(bytes, 0, into, offset, length);
    }

    @Override
    public Stored head(String key) {
        return head(key, blob(key));
    }

    private Stored head(String key, BlobClient blob) {
        BlobProperties properties =
                attempt(
                        "Get Blob Properties",
                        key,
                        () ->
                                blob.getPropertiesWithResponse(null, small(), Context.NONE)
                                        .getValue());
        return new Stored(
                properties.getBlobSize(),
                StoredChecksum.of(key, properties.getMetadata()),
                version(properties.getETag()),
                properties.getLastModified().toInstant().toEpochMilli());
    }

    @Override
    public Listing list(String prefix, boolean recursive, int limit, @Nullable String page) {
        ObjectStore.requirePrefix(prefix);
        ListBlobsOptions options =
                new ListBlobsOptions()
                        .setPrefix(settings.prefix() + prefix)
                        .setMaxResultsPerPage(Math.min(limit, settings.bounds().listPage()));
        PagedResponse<BlobItem> answer =
                attempt(
                        "List Blobs",
                        prefix,
                        () -> {
                            Iterator<PagedResponse<BlobItem>> pages =
                                    (recursive
                                                    ? container.listBlobs(options, page, small())
                                                    : container.listBlobsByHierarchy(
                                                            "/", options, small()))
                                            .iterableByPage(page)
                                            .iterator();
                            return pages.next();
                        });
        OwnKeys own = new OwnKeys(settings.prefix());
        for (BlobItem item : answer.getValue()) {
            if (Boolean.TRUE.equals(item.isPrefix())) {
                own.directory(item.getName());
            } else {
                own.object(
                        item.getName(),
                        item.getProperties().getContentLength(),
                        item.getProperties().getLastModified().toInstant().toEpochMilli());
            }
        }
        String next = answer.getContinuationToken();
        return own.listing(next == null || next.isEmpty() ? null : next);
    }

    /** One after the other: Azure deletes many at once only by another interface. */
    @Override
    public void delete(List<String> keys) {
        List<BlobClient> blobs = keys.stream().map(this::blob).toList();
        for (BlobClient blob : blobs) {
            attempt(
                    "Delete Blob",
                    blob.getBlobName(),
                    () ->
                            blob.deleteIfExistsWithResponse(
                                    DeleteSnapshotsOptionType.INCLUDE,
                                    null,
                                    small(),
                                    Context.NONE));
        }
    }

    @Override
    public void copy(String from, String to) {
        copy(from, blob(from), to);
    }

    /**
     * @param source of that key, or a version of it
     */
    void copy(String from, BlobClient source, String to) {
        BlobClient target = blob(to);
        attempt(
                "Copy Blob",
                from,
                () -> {
                    SyncPoller<BlobCopyInfo, Void> copying =
                            target.beginCopy(source.getBlobUrl(), Duration.ofMillis(100));
                    return copying.waitForCompletion(large());
                });
    }

    /** What was there before, where the storage account keeps versions. */
    public ObjectVersions versions() {
        return new AzureVersions(settings, container, errors, this);
    }

    /** None to find: Azure itself deletes blocks that no put has finished within a week. */
    @Override
    public List<LeftOver> leftOvers(Duration age) {
        return List.of();
    }

    @Override
    public void delete(LeftOver leftOver) {
        throw new IllegalStateException("there are none: " + leftOver);
    }
}
