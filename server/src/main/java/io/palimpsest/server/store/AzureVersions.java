package io.palimpsest.server.store;

import com.azure.core.http.rest.PagedResponse;
import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.BlobItem;
import com.azure.storage.blob.models.BlobListDetails;
import com.azure.storage.blob.models.ListBlobsOptions;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectVersions;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What a storage account with versioning has kept of a container's blobs. A version's id is the
 * time when it was written. Azure lists the oldest first and does not tell when a blob was deleted,
 * only that no version of it is the current one: so all is listed at once, and a deletion is later
 * than any moment that can be asked for.
 */
final class AzureVersions implements ObjectVersions {
    private final StoreSettings.Azure settings;
    private final BlobContainerClient container;
    private final AzureErrors errors;
    private final AzureStore store;

    AzureVersions(
            StoreSettings.Azure settings,
            BlobContainerClient container,
            AzureErrors errors,
            AzureStore store) {
        this.settings = settings;
        this.container = container;
        this.errors = errors;
        this.store = store;
    }

    @Override
    public Page versions(String prefix, @Nullable String page) {
        ObjectStore.requirePrefix(prefix);
        ListBlobsOptions options =
                new ListBlobsOptions()
                        .setPrefix(settings.prefix() + prefix)
                        .setMaxResultsPerPage(settings.bounds().listPage())
                        .setDetails(new BlobListDetails().setRetrieveVersions(true));
        SortedMap<String, List<Version>> found = new TreeMap<>();
        Set<String> current = new TreeSet<>();
        String next = null;
        do {
            String after = next;
            PagedResponse<BlobItem> answer =
                    errors.attempt(
                            "List Blobs",
                            prefix,
                            () -> {
                                Iterator<PagedResponse<BlobItem>> pages =
                                        container
                                                .listBlobs(
                                                        options,
                                                        after,
                                                        settings.bounds().smallTimeout())
                                                .iterableByPage(after)
                                                .iterator();
                                return pages.next();
                            });
            for (BlobItem item : answer.getValue()) {
                add(item, found, current);
            }
            next = answer.getContinuationToken();
        } while (next != null && !next.isEmpty());
        List<Version> all = new ArrayList<>();
        found.forEach((key, versions) -> {
            if (!current.contains(key)) {
                all.add(new Version(key, "", 0, Long.MAX_VALUE, true));
            }
            versions.sort(Comparator.comparing(Version::id).reversed());
            all.addAll(versions);
        });
        return new Page(all, null);
    }

    private void add(BlobItem item, SortedMap<String, List<Version>> found, Set<String> current) {
        String key = item.getName().substring(settings.prefix().length());
        if (!ObjectStore.isKey(key)) {
            return;
        }
        String id = item.getVersionId();
        if (id == null || id.isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.UNSUPPORTED,
                    "%s has no version: storage account %s keeps none (blob versioning is off, or was when this was put)",
                    key,
                    settings.account());
        }
        long length = item.getProperties().getContentLength();
        found.computeIfAbsent(key, k -> new ArrayList<>())
                .add(new Version(key, id, length, millis(key, id), false));
        if (Boolean.TRUE.equals(item.isCurrentVersion())) {
            boolean _ = current.add(key);
        }
    }

    private static long millis(String key, String id) {
        try {
            return Instant.parse(id).toEpochMilli();
        } catch (DateTimeException e) {
            throw new PageserverException(
                    ErrorCode.UNSUPPORTED,
                    "%s: expected a time as the id of a version, found %s".formatted(key, id),
                    e);
        }
    }

    private BlobClient blob(String key, String id) {
        return container.getBlobVersionClient(settings.prefix() + ObjectStore.requireKey(key), id);
    }

    @Override
    public ObjectStore.Stored get(String key, String id, ObjectStore.Sink sink) {
        return store.get(key, blob(key, id), sink);
    }

    @Override
    public void copy(String key, String id, String to) {
        store.copy(key, blob(key, id), to);
    }
}
