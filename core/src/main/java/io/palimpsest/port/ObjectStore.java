package io.palimpsest.port;

import io.palimpsest.base.PageserverException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Objects under keys, somewhere else: a bucket, a container, a directory. An object is put whole or
 * not at all, and read back as it was put or refused. Called by any number of tasks at once. Every
 * method may block, for a bounded time, and cancelling a task does not shorten it.
 *
 * <p>Nothing is tried again in here: every call is one attempt (of which a large put takes many
 * requests), so that one place decides about retries. It fails with a {@link PageserverException}:
 *
 * <ul>
 *   <li>BAD_REQUEST: a key that is none, a bucket that is not there: will always be so
 *   <li>NOT_FOUND: there is no such object
 *   <li>CONFLICT: the {@link Condition} of a put does not hold; nothing was changed
 *   <li>DENIED: names the permission that is missing and the identity that lacks it
 *   <li>THROTTLED: nothing was changed; later, and less
 *   <li>UNAVAILABLE: no answer. A put, copy or delete may have happened, or not, or <b>happen
 *       later</b>, after others of the same key
 *   <li>CORRUPTION: what came is not what was put
 *   <li>NO_SPACE: the store is full
 * </ul>
 *
 * and with whatever a {@link Content} or {@link Sink} throws, as it is.
 *
 * <p>{@link #get}, {@link #head} and conditions see every put, copy and delete that returned
 * before. {@link #list} may be late about all of them.
 *
 * <p>Keys are '/'-separated parts of letters, digits, '_', '-' and '.', see {@link #requireKey}. No
 * key may be another one followed by '/': a store made of directories has no room for both.
 */
public interface ObjectStore {
    /** Bytes of a key, and of one part of it. With a prefix of the store's all take as many. */
    int LONGEST_KEY = 512;

    int LONGEST_PART = 200;

    /**
     * So often is read what comes damaged, or as another object, before it is taken to be so over
     * there: what happens to an answer on its way hardly happens to all of so many.
     */
    int READS = 5;

    /** Bytes to put, which may be read more than once, and from another task. */
    interface Content {
        long length();

        /** Of all of it. */
        int crc32c();

        /** Reads exactly {@code length} bytes at {@code position}. */
        void read(long position, byte[] into, int offset, int length);

        static Content of(byte[] bytes) {
            CRC32C crc = new CRC32C();
            crc.update(bytes);
            return new Part(
                    bytes.length,
                    (int) crc.getValue(),
                    (position, into, offset, length) ->
                            System.arraycopy(bytes, (int) position, into, offset, length));
        }

        /** A file, read once here for its checksum; it stays open, and the caller's to close. */
        static Content of(Disk.Input file) {
            CRC32C crc = new CRC32C();
            byte[] buffer = new byte[1 << 16];
            for (long at = 0; at < file.size(); ) {
                int n = (int) Math.min(buffer.length, file.size() - at);
                file.read(at, buffer, 0, n);
                crc.update(buffer, 0, n);
                at += n;
            }
            return new Part(file.size(), (int) crc.getValue(), file::read);
        }
    }

    /** Reads at a position. */
    interface Reader {
        void read(long position, byte[] into, int offset, int length);
    }

    /** Content by its parts. */
    record Part(long length, int crc32c, Reader reader) implements Content {
        @Override
        public void read(long position, byte[] into, int offset, int count) {
            reader.read(position, into, offset, count);
        }
    }

    /** Takes an object's bytes, front to back. */
    interface Sink {
        void accept(byte[] bytes, int offset, int length);
    }

    /** What must be true for a put to happen. */
    sealed interface Condition {
        Condition ALWAYS = new Always();
        Condition ABSENT = new Absent();

        /** Whatever is there is replaced. */
        record Always() implements Condition {}

        /** There is no object of that key. Of several who try at once, one succeeds. */
        record Absent() implements Condition {}

        /** There is an object, of this version, as an earlier call told. */
        record Version(String version) implements Condition {}
    }

    /**
     * What an object is.
     *
     * @param crc32c of its bytes, as computed by who put it
     * @param version differs from that of every put of other bytes to that key
     * @param modifiedMillis when it was put, by the store's clock
     */
    record Stored(long length, int crc32c, String version, long modifiedMillis) {}

    /** An object in a list. */
    record Entry(String key, long length, long modifiedMillis) {}

    /**
     * One page of a list.
     *
     * @param directories what continues after the next '/', each ending in one
     * @param foreign how many objects were left out because their keys are none of ours
     * @param next what to give for the next page; null: this is the last
     */
    record Listing(
            List<Entry> objects, List<String> directories, int foreign, @Nullable String next) {}

    /**
     * Puts an object, with its checksum; CORRUPTION if what is read of the content has another one,
     * and nothing was put.
     *
     * @return its version
     */
    String put(String key, Content content, Condition condition);

    /**
     * Reads an object whole. What the sink got counts only when this has returned: then it is as
     * long as it was, and has the checksum it had.
     */
    Stored get(String key, Sink sink);

    /**
     * Reads exactly {@code length} bytes at {@code position}, unverified. CORRUPTION if the object
     * is shorter.
     */
    void get(String key, long position, byte[] into, int offset, int length);

    Stored head(String key);

    /**
     * Objects whose keys start with {@code prefix} (which may end in the middle of a part), ordered
     * by key, in pages. What comes or goes meanwhile may be in it or not.
     *
     * @param recursive also those with a '/' after the prefix; otherwise {@link
     *     Listing#directories} tells about them
     * @param limit objects and directories of a page, at most; there may be fewer
     * @param page {@link Listing#next} of the page before, null for the first
     */
    Listing list(String prefix, boolean recursive, int limit, @Nullable String page);

    /**
     * Deletes all of them; those that are not there are fine. If it fails, any of them may be gone.
     */
    void delete(List<String> keys);

    /** Makes {@code to} the same object as {@code from}, within the store; what was there goes. */
    void copy(String from, String to);

    /**
     * Refuses what is no key: nothing that passes leads out of a directory or needs quoting.
     *
     * @return the key
     */
    static String requireKey(String key) {
        int start = 0;
        while (start <= key.length()) {
            int slash = key.indexOf('/', start);
            int end = slash < 0 ? key.length() : slash;
            if (!isPart(key, start, end)) {
                throw PageserverException.badRequest("not an object's key: '%s'", printable(key));
            }
            start = end + 1;
        }
        if (key.length() > LONGEST_KEY) {
            throw PageserverException.badRequest(
                    "a key of %d bytes, at most %d can be: '%s'", key.length(), LONGEST_KEY, key);
        }
        return key;
    }

    /** Refuses what no key can start with; "" is fine. */
    static String requirePrefix(String prefix) {
        if (!prefix.isEmpty()) {
            requireKey(
                    prefix.endsWith("/") ? prefix.substring(0, prefix.length() - 1) : prefix + "_");
        }
        return prefix;
    }

    /** Whether that could be a key: what is in a bucket may have come from anybody. */
    static boolean isKey(String text) {
        try {
            requireKey(text);
            return true;
        } catch (PageserverException e) {
            return false;
        }
    }

    private static boolean isPart(String key, int start, int end) {
        if (end <= start
                || end - start > LONGEST_PART
                || key.charAt(start) == '.'
                || key.charAt(end - 1) == '.') {
            return false;
        }
        for (int i = start; i < end; i++) {
            char c = key.charAt(i);
            boolean good =
                    c >= 'a' && c <= 'z'
                            || c >= 'A' && c <= 'Z'
                            || c >= '0' && c <= '9'
                            || c == '_'
                            || c == '-'
                            || c == '.';
            if (!good) {
                return false;
            }
        }
        return true;
    }

    private static String printable(String key) {
        String cut = key.length() > 2 * LONGEST_KEY ? key.substring(0, LONGEST_KEY) + "..." : key;
        return new String(cut.getBytes(StandardCharsets.US_ASCII), StandardCharsets.US_ASCII)
                .replaceAll("\\p{Cntrl}", "?");
    }
}
