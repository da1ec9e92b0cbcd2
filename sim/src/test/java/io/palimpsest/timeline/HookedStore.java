package io.palimpsest.timeline;

import io.palimpsest.port.ObjectStore;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** An object store that tells a test of every put before it is made, and lets it refuse. */
final class HookedStore implements ObjectStore {
    /** Throws if the put is to fail. */
    interface Hook {
        void put(String key, Condition condition);
    }

    private final ObjectStore store;
    private Hook hook = (key, condition) -> {};
    private Hook afterwards = (key, condition) -> {};
    private Runnable deleting = () -> {};
    private Runnable listing = () -> {};
    private boolean forgetsConditions;

    HookedStore(ObjectStore store) {
        this.store = store;
    }

    void hook(Hook next) {
        hook = next;
    }

    /** Is asked when a put was carried out: its answer can still get lost. */
    void afterwards(Hook next) {
        afterwards = next;
    }

    /** Is asked before objects are deleted; throws if they are to stay. */
    void deleting(Runnable next) {
        deleting = next;
    }

    /** Is asked before objects are listed; throws if that is to fail. */
    void listing(Runnable next) {
        listing = next;
    }

    /** From now on a put replaces what is there, whatever it asks for. */
    void forgetConditions() {
        forgetsConditions = true;
    }

    @Override
    public String put(String key, Content content, Condition condition) {
        hook.put(key, condition);
        String version = store.put(key, content, forgetsConditions ? Condition.ALWAYS : condition);
        afterwards.put(key, condition);
        return version;
    }

    @Override
    public Stored get(String key, Sink sink) {
        return store.get(key, sink);
    }

    @Override
    public void get(String key, long position, byte[] into, int offset, int length) {
        store.get(key, position, into, offset, length);
    }

    @Override
    public Stored head(String key) {
        return store.head(key);
    }

    @Override
    public Listing list(String prefix, boolean recursive, int limit, @Nullable String page) {
        listing.run();
        return store.list(prefix, recursive, limit, page);
    }

    @Override
    public void delete(List<String> keys) {
        deleting.run();
        store.delete(keys);
    }

    @Override
    public void copy(String from, String to) {
        store.copy(from, to);
    }
}
