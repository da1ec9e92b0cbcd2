package io.palimpsest.remote;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Ids;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Entry;
import io.palimpsest.port.ObjectStore.Listing;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tracer;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The object store as the rest of the server uses it: bounded in requests and bytes, tried again
 * where that may help, and with the outcome of puts found out. Called by any number of tasks at
 * once. A request holds one of the permits only while it runs, not while it waits to be tried
 * again.
 *
 * <p>Failures are those of {@link ObjectStore}, after the last attempt. UNAVAILABLE then still
 * means that the outcome is unknown.
 */
public final class RemoteStore {
    /** Names of a list with one request, and objects that are deleted with one. */
    public static final int PAGE = 1000;

    private final ObjectStore store;
    private final Retry retry;
    private final Permits permits;
    private final Bandwidth bandwidth;
    private final RemoteLimits limits;

    public RemoteStore(
            ObjectStore store,
            Clock clock,
            Tasks tasks,
            Ids ids,
            Tracer tracer,
            RemoteLimits limits) {
        this.store = store;
        this.limits = limits;
        this.retry = new Retry(tasks, ids, tracer, limits);
        this.permits = new Permits(tasks, limits.operations());
        this.bandwidth = new Bandwidth(clock, tasks, limits.bytesPerSecond());
    }

    public RemoteLimits limits() {
        return limits;
    }

    /**
     * Puts an object that is not there yet. One that is there and is the same is fine: an earlier
     * attempt has put it whose answer was lost. So whoever wants to know that he was the first puts
     * something that nobody else would.
     *
     * @return its version
     * @throws PageserverException CONFLICT if there is another one
     */
    public String create(String key, Content content) {
        return put("create " + key, key, content, Condition.ABSENT);
    }

    /**
     * Replaces the object of that version. One that is the same as {@code content} is fine, as with
     * {@link #create}. A put of an earlier version that the store carries out late does nothing.
     *
     * @return its new version
     * @throws PageserverException CONFLICT if the object is of another version, or gone
     */
    public String replace(String key, Content content, String version) {
        return put("replace " + key, key, content, new Condition.Version(version));
    }

    /**
     * Puts an object whatever is there. Only for keys where it does not matter if an earlier put is
     * carried out late and has the last word.
     *
     * @return its version
     */
    public String overwrite(String key, Content content) {
        return put("overwrite " + key, key, content, Condition.ALWAYS);
    }

    private String put(String what, String key, Content content, Condition condition) {
        Content metered =
                new ObjectStore.Part(
                        content.length(),
                        content.crc32c(),
                        (position, into, offset, length) -> {
                            bandwidth.take(length);
                            content.read(position, into, offset, length);
                        });
        return attempt(
                what,
                () -> {
                    try {
                        return store.put(key, metered, condition);
                    } catch (PageserverException e) {
                        String ours =
                                e.code() == ErrorCode.CONFLICT ? versionIfSame(key, content) : null;
                        if (ours == null) {
                            throw e;
                        }
                        return ours;
                    }
                });
    }

    /** The version of what is there if it is what was to be put. */
    private @Nullable String versionIfSame(String key, Content content) {
        Stored there = nullIfAbsent(() -> store.head(key));
        return there != null
                        && there.length() == content.length()
                        && there.crc32c() == content.crc32c()
                ? there.version()
                : null;
    }

    private static @Nullable Stored nullIfAbsent(Supplier<Stored> request) {
        try {
            return request.get();
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND) {
                return null;
            }
            throw e;
        }
    }

    /**
     * Writes an object into a new file, synced (its name is not). Nothing is there if it fails.
     *
     * @return what it is, so that the caller compares it with what it should be
     */
    public Stored download(String key, Disk disk, String path) {
        return attempt(
                "download " + key,
                () -> {
                    Disk.Output out = disk.create(path);
                    boolean whole = false;
                    try {
                        Stored stored = fetch(key, out);
                        whole = true;
                        return stored;
                    } finally {
                        if (!whole) {
                            disk.delete(path);
                        }
                    }
                });
    }

    private Stored fetch(String key, Disk.Output into) {
        try (into) {
            Stored stored =
                    store.get(
                            key,
                            (bytes, offset, length) -> {
                                bandwidth.take(length);
                                into.append(bytes, offset, length);
                            });
            into.sync();
            return stored;
        }
    }

    /** A small object. */
    public record Small(byte[] bytes, String version) {}

    /**
     * Reads an object into memory.
     *
     * @throws PageserverException CORRUPTION if it is longer than {@code most}
     */
    public Small read(String key, int most) {
        return attempt(
                "read " + key,
                () -> {
                    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                    Stored stored =
                            store.get(
                                    key,
                                    (chunk, offset, length) -> {
                                        if (bytes.size() + (long) length > most) {
                                            throw PageserverException.corruption(
                                                    "%s: expected at most %d bytes, found more",
                                                    key, most);
                                        }
                                        bandwidth.take(length);
                                        bytes.write(chunk, offset, length);
                                    });
                    return new Small(bytes.toByteArray(), stored.version());
                });
    }

    /** Reads a part of an object, which its reader verifies. */
    public void read(String key, long position, byte[] into, int offset, int length) {
        attempt(
                "read " + key,
                () -> {
                    bandwidth.take(length);
                    store.get(key, position, into, offset, length);
                    return key;
                });
    }

    public Stored head(String key) {
        return attempt("head " + key, () -> store.head(key));
    }

    /** {@link #head}, or null if there is no such object. */
    public @Nullable Stored find(String key) {
        return nullIfAbsent(() -> head(key));
    }

    public boolean exists(String key) {
        return find(key) != null;
    }

    /**
     * All of a list, page by page; what is done with a page is done before the next is asked for.
     */
    public void listAll(String prefix, boolean recursive, Consumer<Listing> page) {
        String next = null;
        do {
            Listing listing = list(prefix, recursive, PAGE, next);
            page.accept(listing);
            next = listing.next();
        } while (next != null);
    }

    /**
     * Tenants that there is something of.
     *
     * @param foreign gets directories among theirs whose names are none
     * @param loose gets objects among them
     */
    public List<TenantShardId> tenants(Consumer<String> foreign, Consumer<Entry> loose) {
        List<TenantShardId> found = new ArrayList<>();
        String prefix = RemotePath.TENANTS + "/";
        listAll(
                prefix,
                false,
                page -> {
                    for (String directory : page.directories()) {
                        String name = directory.substring(prefix.length(), directory.length() - 1);
                        try {
                            found.add(TenantShardId.parse(name));
                        } catch (PageserverException e) {
                            foreign.accept(directory);
                        }
                    }
                    page.objects().forEach(loose);
                });
        return found;
    }

    public Listing list(String prefix, boolean recursive, int limit, @Nullable String page) {
        return attempt("list " + prefix, () -> store.list(prefix, recursive, limit, page));
    }

    public void delete(List<String> keys) {
        String what =
                keys.size() == 1
                        ? "delete " + keys.getFirst()
                        : "delete " + keys.size() + " objects";
        attempt(
                what,
                () -> {
                    store.delete(keys);
                    return what;
                });
    }

    public void copy(String from, String to) {
        attempt(
                "copy " + from + " to " + to,
                () -> {
                    store.copy(from, to);
                    return to;
                });
    }

    /** Any other request of the same store, bounded and tried again as all are. */
    public <T> T attempt(String what, Supplier<T> request) {
        return retry.call(
                what,
                () -> {
                    permits.acquire();
                    try {
                        return request.get();
                    } finally {
                        permits.release();
                    }
                });
    }
}
