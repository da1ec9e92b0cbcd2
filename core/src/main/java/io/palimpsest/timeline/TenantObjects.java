package io.palimpsest.timeline;

import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.Tasks;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemotePath;
import java.util.ArrayList;
import java.util.List;

/**
 * Deletes the objects of a tenant of which nothing is needed, all but its manifests: those tell
 * former owners that they are fenced, and everybody that the tenant is gone (decision 0127).
 *
 * <p>Only what is of our generation or an earlier one goes. Whoever has the tenant after us, be it
 * that it was restored, names none of these, so that a delete that is carried out late harms
 * nobody.
 */
final class TenantObjects {
    /** A list may lag behind: it is asked for so often at most. */
    private static final int LISTS = 10;

    private static final long PAUSE = 1_000_000_000L;

    private final RemoteTenant tenant;
    private final Operation operation;
    private final Runnable goesOn;
    private long objects;

    private TenantObjects(RemoteTenant tenant, Operation operation, Runnable goesOn) {
        this.tenant = tenant;
        this.operation = operation;
        this.goesOn = goesOn;
    }

    /**
     * Returns when a list has shown nothing more of it, or goes on showing what was deleted. How
     * many were found.
     */
    static long delete(Tasks tasks, RemoteTenant tenant, Operation operation, Runnable goesOn) {
        TenantObjects all = new TenantObjects(tenant, operation, goesOn);
        long found = all.pass();
        long sum = found;
        for (int i = 1; found > 0 && i < LISTS; i++) {
            if (i > 1) {
                tasks.sleep(PAUSE);
            }
            found = all.pass();
        }
        return sum;
    }

    private long pass() {
        objects = 0;
        tenant.store()
                .listAll(
                        RemotePath.tenant(tenant.id()) + "/", true, page -> delete(page.objects()));
        return objects;
    }

    private void delete(List<ObjectStore.Entry> listed) {
        goesOn.run();
        List<String> keys = new ArrayList<>();
        long bytes = 0;
        for (ObjectStore.Entry entry : listed) {
            if (isOurs(RemoteKey.of(entry.key()))) {
                keys.add(entry.key());
                bytes += entry.length();
            }
        }
        if (!keys.isEmpty()) {
            tenant.validate();
            tenant.store().delete(keys);
            objects += keys.size();
            operation.moved(bytes);
        }
    }

    private boolean isOurs(RemoteKey key) {
        int newest = tenant.generation().value();
        return switch (key) {
            case RemoteKey.Index index -> index.generation().value() <= newest;
            case RemoteKey.Layer layer -> layer.name().generation().value() <= newest;
            case RemoteKey.Hints _ -> true;
            case RemoteKey.Manifest _, RemoteKey.Foreign _ -> false;
        };
    }
}
