package io.palimpsest.sim.crash;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * An object store in memory, without time, chance and failures, that tells all changes that are
 * asked of it. One change that was asked for before may be carried out late.
 */
final class JournalStore implements ObjectStore {
    /** A change that is asked for. */
    sealed interface Request {
        record Put(String key, StoreState.Body body, Condition condition) implements Request {
            @Override
            public String toString() {
                return "Put[" + key + ", " + condition + "]";
            }
        }

        record Delete(String key) implements Request {}
    }

    private final Consumer<Request> before;
    private final @Nullable Request late;
    private final int lateAfter;
    private StoreState state;
    private int changes;

    /**
     * @param before is called before each change
     */
    JournalStore(StoreState state, Consumer<Request> before) {
        this(state, before, null, 0);
    }

    /**
     * @param late is carried out after so many changes, or not at all
     */
    JournalStore(
            StoreState state, Consumer<Request> before, @Nullable Request late, int lateAfter) {
        this.state = state;
        this.before = before;
        this.late = late;
        this.lateAfter = lateAfter;
    }

    StoreState state() {
        return state;
    }

    @Override
    public String put(String key, Content content, Condition condition) {
        byte[] bytes = new byte[Math.toIntExact(content.length())];
        content.read(0, bytes, 0, bytes.length);
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        Check.that((int) crc.getValue() == content.crc32c(), "%s: the checksum is wrong", key);
        StoreState.Body body = new StoreState.Body(bytes, content.crc32c(), state.nextVersion());
        StoreState after = change(new Request.Put(ObjectStore.requireKey(key), body, condition));
        if (after == null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT, "put %s: not %s", key, condition.toString());
        }
        return body.version();
    }

    @Override
    public void delete(List<String> keys) {
        for (String key : keys) {
            StoreState _ = change(new Request.Delete(ObjectStore.requireKey(key)));
        }
    }

    /** The state after it, or null if its condition does not hold. */
    private @Nullable StoreState change(Request request) {
        before.accept(request);
        StoreState after = state.after(request);
        if (after != null) {
            state = after;
        }
        if (late != null && ++changes == lateAfter) {
            StoreState then = state.after(late);
            state = then == null ? state : then;
        }
        return after;
    }

    @Override
    public void copy(String from, String to) {
        throw new UnsupportedOperationException("copy " + from + " to " + to);
    }

    @Override
    public Stored get(String key, Sink sink) {
        StoreState.Body body = find(key);
        sink.accept(body.bytes(), 0, body.bytes().length);
        return stored(body);
    }

    @Override
    public void get(String key, long position, byte[] into, int offset, int length) {
        System.arraycopy(find(key).bytes(), (int) position, into, offset, length);
    }

    @Override
    public Stored head(String key) {
        return stored(find(key));
    }

    private static Stored stored(StoreState.Body body) {
        return new Stored(body.bytes().length, body.crc32c(), body.version(), 0);
    }

    private StoreState.Body find(String key) {
        StoreState.Body body = state.object(key);
        if (body == null) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "get %s: no such object", key);
        }
        return body;
    }

    @Override
    public Listing list(String prefix, boolean recursive, int limit, @Nullable String page) {
        List<Entry> found = new ArrayList<>();
        TreeSet<String> directories = new TreeSet<>();
        state.objects()
                .tailMap(prefix)
                .forEach((key, body) -> {
                    if (!key.startsWith(prefix)) {
                        return;
                    }
                    int slash = recursive ? -1 : key.indexOf('/', prefix.length());
                    if (slash < 0) {
                        found.add(new Entry(key, body.bytes().length, 0));
                    } else {
                        directories.add(key.substring(0, slash + 1));
                    }
                });
        return new Listing(found, new ArrayList<>(directories), 0, null);
    }
}
