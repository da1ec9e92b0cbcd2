package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;

/** Indexes of timelines as they come from the store. */
final class RemoteIndex {
    private static final int LONGEST = 1 << 30;

    private RemoteIndex() {}

    /**
     * Reads one. What is damaged may be so on its way only, and is read again.
     *
     * @throws PageserverException NOT_FOUND; CORRUPTION if it is damaged, or another one
     */
    static TimelineIndex read(
            RemoteStore store, TenantShardId tenant, TimelineId timeline, Generation generation) {
        for (int attempt = 1; ; attempt++) {
            try {
                return readOnce(store, tenant, timeline, generation);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.CORRUPTION || attempt == ObjectStore.READS) {
                    throw e;
                }
            }
        }
    }

    private static TimelineIndex readOnce(
            RemoteStore store, TenantShardId tenant, TimelineId timeline, Generation generation) {
        String key = RemotePath.index(tenant, timeline, generation);
        TimelineIndex index = TimelineIndexText.decode(store.read(key, LONGEST).bytes(), key);
        if (!index.tenant().equals(tenant)
                || !index.timeline().equals(timeline)
                || !index.generation().equals(generation)) {
            throw PageserverException.corruption(
                    "%s: expected its index, found that of timeline %s of tenant %s, generation %s",
                    key, index.timeline(), index.tenant(), index.generation());
        }
        return index;
    }
}
