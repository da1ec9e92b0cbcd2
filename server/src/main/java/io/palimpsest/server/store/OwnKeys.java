package io.palimpsest.server.store;

import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Entry;
import io.palimpsest.port.ObjectStore.Listing;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Of a bucket's names those that are keys of ours, without the prefix; the others are counted. */
final class OwnKeys {
    private final String prefix;
    private final List<Entry> objects = new ArrayList<>();
    private final List<String> directories = new ArrayList<>();
    private int foreign;

    OwnKeys(String prefix) {
        this.prefix = prefix;
    }

    void object(String name, long length, long modifiedMillis) {
        if (name.startsWith(prefix) && ObjectStore.isKey(name.substring(prefix.length()))) {
            objects.add(new Entry(name.substring(prefix.length()), length, modifiedMillis));
        } else {
            foreign++;
        }
    }

    /**
     * @param name ending in '/'
     */
    void directory(String name) {
        if (name.startsWith(prefix)
                && name.length() > prefix.length() + 1
                && ObjectStore.isKey(name.substring(prefix.length(), name.length() - 1))) {
            directories.add(name.substring(prefix.length()));
        } else {
            foreign++;
        }
    }

    Listing listing(@Nullable String next) {
        return new Listing(objects, directories, foreign, next);
    }
}
