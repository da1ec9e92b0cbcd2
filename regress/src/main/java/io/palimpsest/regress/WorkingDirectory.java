package io.palimpsest.regress;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Another page server's working directory out of one that is at rest. Its lock stays behind. */
public final class WorkingDirectory {
    private interface Maker {
        void make(Path from, Path to) throws IOException;
    }

    private WorkingDirectory() {}

    /** Files of its own. */
    public static Path copy(Path from, Path to) {
        return make(from, to, (file, other) -> Files.copy(file, other));
    }

    /** The same files, sharing their blocks: files are never changed. */
    public static Path link(Path from, Path to) {
        return make(from, to, (file, other) -> Files.createLink(other, file));
    }

    private static Path make(Path from, Path to, Maker maker) {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Path other = to.resolve(from.relativize(file).toString());
                if (Files.isDirectory(file)) {
                    Files.createDirectories(other);
                } else if (!file.getFileName().toString().endsWith(".lock")) {
                    maker.make(file, other);
                }
            }
            return to;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
