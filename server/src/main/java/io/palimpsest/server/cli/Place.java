package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Disk;
import io.palimpsest.server.disk.NioDisk;
import io.palimpsest.timeline.StoredTimeline;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A file or directory that was named: the directory above it as a disk, and its name there.
 *
 * @param path as given
 */
record Place(String path, Disk disk, String name) {
    /**
     * @throws PageserverException NOT_FOUND if there is nothing
     */
    static Place of(Path given) {
        Path path = given.toAbsolutePath().normalize();
        Path parent = path.getParent();
        Path name = path.getFileName();
        if (!Files.exists(path) || parent == null || name == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "%s: no such file or directory", given);
        }
        return new Place(given.toString(), new NioDisk(parent), name.toString());
    }

    /**
     * @throws PageserverException NOT_FOUND if it is not the directory of a timeline
     */
    static StoredTimeline timeline(Path given) {
        Place place = of(given);
        if (!place.disk.exists(place.name + "/index")) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND,
                    "%s: not the directory of a timeline, there is no index in it; expected one such as work/tenants/<tenant>/timelines/<timeline>",
                    given);
        }
        return StoredTimeline.read(place.disk, place.name);
    }

    /** Opens a layer file by the name it has. */
    LayerFile layer(BlockCache cache) {
        return LayerFile.open(disk, name, LayerName.parse(name), cache);
    }

    static BlockCache cache() {
        return new BlockCache(Limits.DEFAULT);
    }
}
