package io.palimpsest.timeline;

import io.palimpsest.port.Disk;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Small files that are replaced whole: after a crash the one before or the new one is there. */
final class TextFile {
    private TextFile() {}

    /** Durable when it returns. */
    static void replace(Disk disk, String directory, String name, String text) {
        String path = directory + "/" + name;
        String temporary = path + TimelineIndex.TEMPORARY_SUFFIX;
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        disk.createDirectories(directory);
        disk.delete(temporary);
        try (Disk.Output out = disk.create(temporary)) {
            out.append(bytes, 0, bytes.length);
            out.sync();
        }
        disk.rename(temporary, path);
        disk.syncDirectory(directory);
    }

    /** What is there, the first {@code most} bytes of it; null if there is no such file. */
    static @Nullable String read(Disk disk, String path, int most) {
        if (!disk.exists(path)) {
            return null;
        }
        try (Disk.Input in = disk.open(path)) {
            byte[] bytes = new byte[(int) Math.min(in.size(), most)];
            in.read(0, bytes, 0, bytes.length);
            return new String(bytes, StandardCharsets.UTF_8);
        }
    }
}
