package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemotePath;
import java.util.ArrayList;
import java.util.List;

/**
 * What former owners of a tenant have left in the store: indexes that ours has superseded, layers
 * that were put and that no index came to name, objects of timelines that were never confirmed.
 * Only the owner of the newest generation knows what is none of these (decision 0084).
 *
 * <p>All of it is of earlier generations, so nothing that is being put now can be taken for it. A
 * list that is late names what is gone already, or leaves something for the next time.
 */
public final class StoreGarbage {
    /**
     * What was deleted.
     *
     * @param bytes of the objects
     */
    public record Deleted(long objects, long bytes) {}

    private final RemoteTenant tenant;
    private long objects;
    private long bytes;

    private StoreGarbage(RemoteTenant tenant) {
        this.tenant = tenant;
    }

    /**
     * Deletes it, or nothing as long as a timeline of the tenant is not open: what that one needs
     * is not known.
     *
     * @throws PageserverException PRECONDITION_FAILED if another server has the tenant by now, or
     *     nothing is deleted here
     */
    static Deleted delete(RemoteTenant tenant) {
        tenant.checkOwner();
        if (!tenant.mode().deletes()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "tenant %s is %s: nothing of it is deleted in the store",
                    tenant.id(),
                    tenant.mode());
        }
        StoreGarbage all = new StoreGarbage(tenant);
        if (tenant.allOpen()) {
            String prefix = RemotePath.tenant(tenant.id()) + "/timelines/";
            tenant.store().listAll(prefix, true, page -> all.delete(page.objects()));
            tenant.swept();
        }
        return new Deleted(all.objects, all.bytes);
    }

    private void delete(List<ObjectStore.Entry> listed) {
        List<String> keys = new ArrayList<>();
        for (ObjectStore.Entry entry : listed) {
            if (isLeftOver(RemoteKey.of(entry.key()))) {
                keys.add(entry.key());
                objects++;
                bytes += entry.length();
            }
        }
        if (!keys.isEmpty()) {
            tenant.validate();
            tenant.store().delete(keys);
            tenant.tellOfGarbage(keys.size());
        }
    }

    private boolean isLeftOver(RemoteKey key) {
        return switch (key) {
            case RemoteKey.Index index ->
                    earlier(index.generation()) && tenant.hasOwnIndex(index.timeline());
            case RemoteKey.Layer layer ->
                    earlier(layer.name().generation())
                            && tenant.giveUp(layer.timeline(), layer.name());
            case RemoteKey.Manifest _, RemoteKey.Hints _, RemoteKey.Foreign _ -> false;
        };
    }

    private boolean earlier(Generation generation) {
        return generation.value() < tenant.generation().value();
    }
}
