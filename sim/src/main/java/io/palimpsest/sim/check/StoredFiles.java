package io.palimpsest.sim.check;

import io.palimpsest.base.Check;
import io.palimpsest.port.Disk;
import io.palimpsest.timeline.TimelineStore;
import java.nio.charset.StandardCharsets;
import java.util.TreeSet;

/** What lies on a page server's disk is what the indexes name, and nothing else. */
public final class StoredFiles {
    private StoredFiles() {}

    /** For a disk that nobody writes to: after a start, or when all is quiet. */
    public static void checkAllNamed(Disk disk) {
        for (String tenant : disk.list(TimelineStore.ROOT)) {
            String directory = TimelineStore.ROOT + "/" + tenant;
            for (String name : disk.list(directory)) {
                Check.that(
                        name.equals("timelines")
                                || name.equals("sources")
                                || name.equals("intents"),
                        "left behind: %s",
                        directory + "/" + name);
            }
            for (String intent : disk.list(directory + "/intents")) {
                // Only the source of an import may be out of reach.
                Check.that(
                        intent.matches("import-[0-9a-f]{32}"),
                        "left behind: %s/intents/%s",
                        directory,
                        intent);
            }
            for (String timeline : disk.list(directory + "/timelines")) {
                checkTimeline(disk, directory + "/timelines/" + timeline);
            }
        }
    }

    private static void checkTimeline(Disk disk, String directory) {
        TreeSet<String> left = new TreeSet<>(disk.list(directory));
        Check.that(left.remove("index"), "left behind: %s, without an index", directory);
        for (String line : text(disk, directory + "/index").split("\n", -1)) {
            if (line.startsWith("layer ")) {
                String layer = line.split(" ", -1)[1];
                Check.that(
                        left.remove(layer),
                        "the index names what is not there: %s",
                        directory + "/" + layer);
            }
        }
        Check.that(left.isEmpty(), "left behind in %s: %s", directory, left);
    }

    private static String text(Disk disk, String path) {
        try (Disk.Input in = disk.open(path)) {
            byte[] b = new byte[(int) in.size()];
            in.read(0, b, 0, b.length);
            return new String(b, StandardCharsets.UTF_8);
        }
    }
}
