package io.palimpsest.layer;

import io.palimpsest.port.Disk;
import org.jspecify.annotations.Nullable;

/**
 * Where a timeline's layer files lie: one object for all of them.
 *
 * @param path "" for the root
 * @param source where those come from that are not there, or null: all of them are
 */
public record LayerDirectory(Disk disk, String path, @Nullable LayerSource source) {
    String pathOf(String file) {
        return path.isEmpty() ? file : path + "/" + file;
    }
}
