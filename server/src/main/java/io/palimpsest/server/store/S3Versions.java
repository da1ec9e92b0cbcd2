package io.palimpsest.server.store;

import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectVersions.Page;
import io.palimpsest.port.ObjectVersions.Version;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.DeleteMarkerEntry;
import software.amazon.awssdk.services.s3.model.ListObjectVersionsResponse;
import software.amazon.awssdk.services.s3.model.ObjectVersion;

/** Lists what a versioned bucket of S3 has kept. */
final class S3Versions {
    private final StoreSettings.S3 settings;
    private final S3Client client;
    private final S3Errors errors;

    S3Versions(StoreSettings.S3 settings, S3Client client, S3Errors errors) {
        this.settings = settings;
        this.client = client;
        this.errors = errors;
    }

    Page versions(String prefix, @Nullable String page) {
        ObjectStore.requirePrefix(prefix);
        // A page goes on after a key and a version of it; no key has a line feed.
        String[] after = page == null ? new String[2] : page.split("\n", 2);
        ListObjectVersionsResponse answer =
                errors.attempt(
                        "ListObjectVersions",
                        prefix,
                        () ->
                                client.listObjectVersions(r ->
                                        r.bucket(settings.bucket())
                                                .prefix(settings.prefix() + prefix)
                                                .maxKeys(settings.bounds().listPage())
                                                .keyMarker(after[0])
                                                .versionIdMarker(after[1])
                                                .overrideConfiguration(
                                                        S3Store.within(
                                                                settings.bounds()
                                                                        .smallTimeout()))));
        List<Ranked> found = new ArrayList<>();
        for (ObjectVersion v : answer.versions()) {
            add(v.key(), v.versionId(), v.size(), v.lastModified(), false, v.isLatest(), found);
        }
        for (DeleteMarkerEntry d : answer.deleteMarkers()) {
            add(d.key(), d.versionId(), 0, d.lastModified(), true, d.isLatest(), found);
        }
        found.sort(
                Comparator.comparing((Ranked r) -> r.version.key())
                        .thenComparing(r -> !r.newest)
                        .thenComparingLong(r -> -r.version.modifiedMillis()));
        return new Page(
                found.stream().map(Ranked::version).toList(),
                Boolean.TRUE.equals(answer.isTruncated())
                        ? answer.nextKeyMarker() + "\n" + answer.nextVersionIdMarker()
                        : null);
    }

    /** Puts and deletions come in two lists, with times to the second. */
    private record Ranked(Version version, boolean newest) {}

    private void add(
            String name,
            String id,
            long length,
            Instant modified,
            boolean deletion,
            @Nullable Boolean newest,
            List<Ranked> into) {
        String key = name.substring(settings.prefix().length());
        if (ObjectStore.isKey(key)) {
            into.add(
                    new Ranked(
                            new Version(key, id, length, modified.toEpochMilli(), deletion),
                            Boolean.TRUE.equals(newest)));
        }
    }
}
