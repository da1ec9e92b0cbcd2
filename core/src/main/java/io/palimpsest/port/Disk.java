package io.palimpsest.port;

import io.palimpsest.base.PageserverException;
import java.util.List;

/**
 * A tree of write-once files. Paths are relative, '/'-separated, without "." or "..", see {@link
 * #requireName}; "" is the root. Every method may fail with {@code PageserverException(IO)} naming
 * the path; after a failed {@link Output#sync} or {@link #syncDirectory} nothing is known about
 * what was not synced before, and the caller must not retry it.
 *
 * <p>A full disk (or quota) is NO_SPACE. It may show at any step that writes: {@link #create},
 * {@link Output#append}, {@link Output#sync}, {@link Output#close}, {@link #rename}, {@link #link},
 * {@link #createDirectories}. A name that was not made is not there, so the step can be done again;
 * of a file whose output failed, that is: deleted, and written anew. {@link #syncDirectory} never
 * fails so: its failure is always IO, because names of other files are then in doubt too.
 *
 * <p>What survives a crash: a file's bytes only up to its last {@link Output#sync}; its name only
 * after {@link #syncDirectory} of the directory that holds it (creation, rename and deletion alike,
 * each independently of the others). Bytes not synced may be lost, kept or torn, in any mix of
 * sectors.
 */
public interface Disk {
    /** A file being written, once, front to back. */
    interface Output extends AutoCloseable {
        void append(byte[] bytes, int offset, int length);

        /** Bytes appended so far. */
        long size();

        /**
         * Makes the bytes appended so far durable (not the file's name). If it fails, or an append
         * does, the output is only good for being closed.
         */
        void sync();

        @Override
        void close();
    }

    /**
     * A finished file (its output is closed), opened for reading. Reads at any position from any
     * task. Deleting the file does not disturb it.
     */
    interface Input extends AutoCloseable {
        long size();

        /**
         * Reads exactly {@code length} bytes at {@code position}; fewer there is an IO error. May
         * block.
         */
        void read(long position, byte[] into, int offset, int length);

        /**
         * The same if it can be done without blocking, else false and {@code into} is undefined.
         */
        boolean tryRead(long position, byte[] into, int offset, int length);

        @Override
        void close();
    }

    /**
     * How much room there is.
     *
     * @param availableBytes that may still be written
     */
    record Space(long totalBytes, long availableBytes) {}

    /** How much room there is where the tree lies, whoever else uses it. */
    Space space();

    /** Makes the directory and those above it, and makes them durable. Existing ones are fine. */
    void createDirectories(String directory);

    /**
     * Refuses paths that are not what they should be, or would lead out of the tree.
     *
     * @return the path
     * @throws PageserverException BAD_REQUEST for an empty path, or one with an empty part, with
     *     the part "." or "..", or with a NUL or backslash
     */
    static String requireName(String path) {
        int start = 0;
        while (start <= path.length()) {
            int slash = path.indexOf('/', start);
            int end = slash < 0 ? path.length() : slash;
            String part = path.substring(start, end);
            if (part.isEmpty()
                    || part.equals(".")
                    || part.equals("..")
                    || part.indexOf(0) >= 0
                    || part.indexOf('\\') >= 0) {
                throw PageserverException.badRequest(
                        "not a path of a file in the tree: '%s'", path);
            }
            start = end + 1;
        }
        return path;
    }

    /**
     * Creates a file for writing; CONFLICT if the name exists, NOT_FOUND if there is no such
     * directory.
     */
    Output create(String path);

    /** Opens a file for reading; NOT_FOUND if there is none. */
    Input open(String path);

    boolean exists(String path);

    /**
     * Renames a file within a directory, atomically replacing one of the new name; NOT_FOUND if
     * there is none. Not durable before {@link #syncDirectory}.
     */
    void rename(String from, String to);

    /**
     * Gives a finished file a second name, in any directory; each of the two is then deleted by
     * itself, and the bytes stay until the last is gone. What was durable of the bytes stays so;
     * the name is not before {@link #syncDirectory} of its directory. CONFLICT if the new name
     * exists, NOT_FOUND if the file or the new name's directory does not.
     */
    void link(String existing, String name);

    /** Deletes a file; none of that name is fine. */
    void delete(String path);

    /** Deletes a directory and all in it; none of that name is fine. */
    void deleteTree(String directory);

    /**
     * Names (not paths) of the files and directories in it, sorted; empty if there is no such
     * directory.
     */
    List<String> list(String directory);

    /** Makes what was done to names in the directory so far durable; NOT_FOUND if there is none. */
    void syncDirectory(String directory);
}
