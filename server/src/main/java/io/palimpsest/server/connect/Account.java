package io.palimpsest.server.connect;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;

/**
 * Whom PostgreSQL runs as: it refuses to run as root. Root hands its files to {@code postgres}, or
 * where there is none to {@code nobody}; anybody else stays who he is.
 *
 * @param uid -1 to stay who we are
 */
public record Account(int uid, int gid) {
    private static final List<String> FIT = List.of("postgres", "nobody");
    private static final Account SELF = new Account(-1, -1);

    /** PRECONDITION_FAILED if we are root and there is nobody else. */
    public static Account choose() {
        if (!"root".equals(System.getProperty("user.name"))) {
            return SELF;
        }
        try {
            List<String[]> accounts =
                    Files.readAllLines(Path.of("/etc/passwd")).stream()
                            .map(line -> line.split(":", -1))
                            .filter(fields -> fields.length > 3)
                            .toList();
            return FIT.stream()
                    .flatMap(name -> accounts.stream().filter(a -> a[0].equals(name)))
                    .findFirst()
                    .map(a -> new Account(Integer.parseInt(a[2]), Integer.parseInt(a[3])))
                    .orElseThrow(() ->
                            PageserverException.of(
                                    ErrorCode.PRECONDITION_FAILED,
                                    "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody': make one, or run this as somebody else"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    boolean isOther() {
        return uid >= 0;
    }

    /**
     * The command as this account runs it, in a session of its own: no terminal's signal ends it.
     */
    public List<String> command(List<String> command) {
        List<String> all = new ArrayList<>(List.of("setsid"));
        if (isOther()) {
            all.addAll(List.of("setpriv", "--reuid=" + uid, "--regid=" + gid, "--clear-groups"));
        }
        all.addAll(command);
        return all;
    }

    /** Makes it the owner of all in the directory. Links are not followed. */
    public void own(Path root) throws IOException {
        if (!isOther()) {
            return;
        }
        Files.walkFileTree(
                root,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes a)
                            throws IOException {
                        return take(dir);
                    }

                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes a)
                            throws IOException {
                        return take(file);
                    }
                });
    }

    private FileVisitResult take(Path path) throws IOException {
        Files.setAttribute(path, "unix:uid", uid, LinkOption.NOFOLLOW_LINKS);
        Files.setAttribute(path, "unix:gid", gid, LinkOption.NOFOLLOW_LINKS);
        return FileVisitResult.CONTINUE;
    }
}
