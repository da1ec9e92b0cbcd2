package io.palimpsest.remote;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectVersions;
import io.palimpsest.port.ObjectVersions.Version;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The objects of a prefix as they were at a moment, by the store's clock: of each key the newest
 * version that is not later. It can be read like any store, and not be changed.
 */
public final class PastObjects implements ObjectStore {
    private final ObjectVersions versions;
    private final TreeMap<String, Version> then = new TreeMap<>();
    private final TreeMap<String, Version> lastPut = new TreeMap<>();
    private final TreeMap<String, Version> now = new TreeMap<>();
    private long oldestMillis = Long.MAX_VALUE;

    private PastObjects(ObjectVersions versions) {
        this.versions = versions;
    }

    /**
     * Lists all versions below the prefix, once.
     *
     * @param store the same one, which bounds requests and tries them again
     * @param atMillis since 1970
     * @throws PageserverException UNSUPPORTED if the store keeps no versions
     */
    public static PastObjects at(
            RemoteStore store, ObjectVersions versions, String prefix, long atMillis) {
        PastObjects past = new PastObjects(versions);
        String page = null;
        do {
            String after = page;
            ObjectVersions.Page found =
                    store.attempt(
                            "list versions of " + prefix, () -> versions.versions(prefix, after));
            for (Version version : found.versions()) {
                // The newest come first.
                past.now.putIfAbsent(version.key(), version);
                if (version.modifiedMillis() <= atMillis) {
                    past.then.putIfAbsent(version.key(), version);
                    if (!version.deletion()) {
                        past.lastPut.putIfAbsent(version.key(), version);
                    }
                }
                past.oldestMillis = Math.min(past.oldestMillis, version.modifiedMillis());
            }
            page = found.next();
        } while (page != null);
        return past;
    }

    /** What was there then; null if nothing was. */
    public @Nullable Version find(String key) {
        Version version = then.get(key);
        return version == null || version.deletion() ? null : version;
    }

    /**
     * What was put last, also if it was deleted since: for an object that is put once, and that
     * something which was there then says was there. Some stores tell the time of a deletion to the
     * second, or not at all. Null if nothing was put.
     */
    public @Nullable Version lastPut(String key) {
        return lastPut.get(key);
    }

    /** Whether what was there then is what is there now. */
    public boolean unchanged(String key) {
        Version version = find(key);
        return version != null && version.equals(now.get(key));
    }

    /** When the first version of all was put; {@link Long#MAX_VALUE} if there is none. */
    public long oldestMillis() {
        return oldestMillis;
    }

    private Version require(String key) {
        Version version = find(key);
        if (version == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "%s: there was no such object then", key);
        }
        return version;
    }

    @Override
    public Stored get(String key, Sink sink) {
        return versions.get(key, require(key).id(), sink);
    }

    @Override
    public void get(String key, long position, byte[] into, int offset, int length) {
        throw unsupported();
    }

    @Override
    public Stored head(String key) {
        Version version = require(key);
        // Whoever needs the checksum gets the object.
        return new Stored(version.length(), 0, version.id(), version.modifiedMillis());
    }

    /** One page with all of it. */
    @Override
    public Listing list(String prefix, boolean recursive, int limit, @Nullable String page) {
        List<Entry> entries = new ArrayList<>();
        for (Map.Entry<String, Version> e : then.tailMap(prefix).entrySet()) {
            String key = e.getKey();
            if (!key.startsWith(prefix)) {
                break;
            }
            Version version = e.getValue();
            boolean deeper = key.indexOf('/', prefix.length()) >= 0;
            if (!version.deletion() && (recursive || !deeper)) {
                entries.add(new Entry(key, version.length(), version.modifiedMillis()));
            }
        }
        entries.sort(Comparator.comparing(Entry::key));
        return new Listing(entries, List.of(), 0, null);
    }

    @Override
    public String put(String key, Content content, Condition condition) {
        throw unsupported();
    }

    @Override
    public void delete(List<String> keys) {
        throw unsupported();
    }

    @Override
    public void copy(String from, String to) {
        throw unsupported();
    }

    private static PageserverException unsupported() {
        return PageserverException.of(ErrorCode.UNSUPPORTED, "what was is only read, and whole");
    }
}
