package io.palimpsest.port;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What was under an {@link ObjectStore}'s keys before, where the store keeps it: a bucket with
 * versioning. Nothing of it changes what is there now, but {@link #copy}. Each call is one attempt,
 * and fails as those of an object store do; UNSUPPORTED if this store keeps no versions.
 */
public interface ObjectVersions {
    /**
     * A put, or a deletion.
     *
     * @param id the store's own, for {@link #get} and {@link #copy}
     * @param length 0 of a deletion
     * @param modifiedMillis when, by the store's clock; some tell it to the second
     * @param deletion since when there was no object
     */
    record Version(String key, String id, long length, long modifiedMillis, boolean deletion) {}

    /**
     * One page of a list.
     *
     * @param versions ordered by key, and of one key the newest first
     * @param next what to give for the next page; null: this is the last
     */
    record Page(List<Version> versions, @Nullable String next) {}

    /** All versions of keys that start with the prefix, in pages. It may be late. */
    Page versions(String prefix, @Nullable String page);

    /** {@link ObjectStore#get} of a version that is no deletion. */
    ObjectStore.Stored get(String key, String id, ObjectStore.Sink sink);

    /** Makes {@code to} the same object as that version, within the store; what was there goes. */
    void copy(String key, String id, String to);

    /** Of a store that keeps none. */
    static ObjectVersions none(String why) {
        return new ObjectVersions() {
            private PageserverException unsupported() {
                return PageserverException.of(
                        ErrorCode.UNSUPPORTED,
                        "this store keeps no versions of its objects: %s",
                        why);
            }

            @Override
            public Page versions(String prefix, @Nullable String page) {
                throw unsupported();
            }

            @Override
            public ObjectStore.Stored get(String key, String id, ObjectStore.Sink sink) {
                throw unsupported();
            }

            @Override
            public void copy(String key, String id, String to) {
                throw unsupported();
            }
        };
    }
}
