package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Disk;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.remote.RemoteStore;

/**
 * How a layer file comes from the store: whole, checked from end to end, and then under its name.
 */
public final class LayerDownload {
    /** How often a layer is fetched that comes damaged, or another one. */
    private static final int FETCHES = 3;

    private LayerDownload() {}

    /**
     * Durable, name included, when it returns; nothing is there if it fails.
     *
     * @param directory where it is to be, under its name
     * @throws PageserverException NOT_FOUND if there is no such object, CORRUPTION if it is not
     *     that layer
     */
    public static void bring(
            RemoteStore store,
            Disk disk,
            BlockCache cache,
            String key,
            LayerName name,
            long size,
            String directory) {
        String path = directory + "/" + name;
        String temporary = path + TimelineIndex.TEMPORARY_SUFFIX;
        for (int attempt = 1; ; attempt++) {
            disk.delete(temporary);
            try {
                Stored stored = store.download(key, disk, temporary);
                check(disk, cache, key, name, size, temporary, stored);
                break;
            } catch (PageserverException e) {
                disk.delete(temporary);
                if (e.code() != ErrorCode.CORRUPTION || attempt == FETCHES) {
                    throw e;
                }
            }
        }
        disk.rename(temporary, path);
        disk.syncDirectory(directory);
    }

    /** Is that the layer, and not another object that came in its place? */
    private static void check(
            Disk disk,
            BlockCache cache,
            String key,
            LayerName name,
            long size,
            String temporary,
            Stored stored) {
        if (stored.length() != size) {
            throw PageserverException.corruption(
                    "%s: found %d bytes, expected %d (by the index)", key, stored.length(), size);
        }
        try (LayerFile file = LayerFile.open(disk, temporary, name, cache)) {
            file.verifyChecksum();
        }
    }
}
