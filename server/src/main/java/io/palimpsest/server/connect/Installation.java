package io.palimpsest.server.connect;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * PostgreSQL's programs of one major version.
 *
 * @param bin where {@code postgres} is
 */
public record Installation(Path bin, int major) {
    private static final Pattern VERSION = Pattern.compile("PostgreSQL\\) (\\d+)");

    /**
     * The one that was named, or the first found where packages put it: Debian's, Red Hat's, the
     * directories of PATH, and what the tests have fetched.
     *
     * @param given a directory with {@code postgres} in it, or null
     * @throws PageserverException NOT_FOUND if there is none of this major version
     */
    public static Installation find(int major, @Nullable Path given) {
        if (given != null) {
            int found = majorOf(given);
            if (found != major) {
                throw PageserverException.of(
                        ErrorCode.NOT_FOUND,
                        "%s: %s, expected PostgreSQL %d",
                        given,
                        found == 0 ? "no postgres there that runs" : "found PostgreSQL " + found,
                        major);
            }
            return new Installation(given, major);
        }
        List<Path> places = places(major);
        for (Path place : places) {
            if (majorOf(place) == major) {
                return new Installation(place, major);
            }
        }
        throw PageserverException.of(
                ErrorCode.NOT_FOUND,
                "no PostgreSQL %d found, looked in %s: install it, or say where it is (--bindir; of the server pg_distrib_dir)",
                major,
                places);
    }

    private static List<Path> places(int major) {
        List<Path> places = new ArrayList<>();
        places.add(Path.of("/usr/lib/postgresql/" + major + "/bin"));
        places.add(Path.of("/usr/pgsql-" + major + "/bin"));
        String path = System.getenv("PATH");
        for (String directory : path == null ? new String[0] : path.split(":")) {
            if (!directory.isEmpty()) {
                places.add(Path.of(directory));
            }
        }
        for (String cache :
                List.of(
                        "/var/cache/palimpsest",
                        System.getProperty("user.home") + "/.cache/palimpsest")) {
            if (Files.isDirectory(Path.of(cache))) {
                places.addAll(fetched(Path.of(cache), major));
            }
        }
        return places;
    }

    private static List<Path> fetched(Path cache, int major) {
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> homes =
                Files.newDirectoryStream(cache, "postgres-" + major + ".*")) {
            homes.forEach(home -> found.add(home.resolve("bin")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return found;
    }

    /** 0 if there is none, or it does not run. */
    private static int majorOf(Path bin) {
        Path postgres = bin.resolve("postgres");
        if (!Files.isExecutable(postgres)) {
            return 0;
        }
        try {
            Process process =
                    new ProcessBuilder(postgres.toString(), "--version")
                            .redirectErrorStream(true)
                            .start();
            String text =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                return 0;
            }
            Matcher version = VERSION.matcher(text);
            return version.find() ? Integer.parseInt(version.group(1)) : 0;
        } catch (IOException e) {
            return 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return 0;
        }
    }

    /** Where that program of it is. */
    public Path program(String name) {
        return bin.resolve(name);
    }
}
