package io.palimpsest.protocol;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads a tar archive that is pushed in pieces of any size, in constant memory. Takes ustar as
 * PostgreSQL writes it, GNU long names and base-256 sizes, and the path, linkpath and size of pax
 * headers; other kinds of members are UNSUPPORTED, damage is CORRUPTION and names the offset.
 *
 * <pre>
 *   header, 512 bytes: name 0..99, mode 100 (8), uid, gid, size 124 (12), mtime 136 (12), checksum 148 (8),
 *   type 156, link 157..256, magic 257 (6), ..., prefix 345..499; then the content, padded to 512.
 *   Numbers are octal digits, or base 256 if the first byte has its top bit set.
 *   The checksum is the sum of the header's bytes with its own field as spaces.
 *   Two blocks of zeros end the archive; PostgreSQL 14 leaves them out.
 * </pre>
 */
public final class TarReader {
    /** Receives the members: one entry, its content in pieces, its end. */
    public interface Visitor {
        void entry(TarEntry entry);

        /** {@code bytes} is the caller's of {@link #push}. */
        void content(byte[] bytes, int offset, int length);

        void entryEnd();
    }

    private static final int BLOCK = 512;
    private static final int MAX_NAME = 64 << 10;
    private static final String DAMAGED = "tar archive at byte %d: ";

    private enum State {
        HEADER,
        CONTENT,
        /** The content of a GNU long name or a pax header, kept until the member it is for. */
        EXTENSION,
        PADDING,
        /** One block of zeros was read. */
        ENDING,
        ENDED
    }

    private final Visitor visitor;
    private final byte[] header = new byte[BLOCK];
    private int headerBytes;
    private State state = State.HEADER;
    private long position;
    private long left;
    private int padding;
    private int extensionType;
    private byte[] extension = new byte[0];
    private int extensionBytes;
    private @Nullable String longName;
    private @Nullable String longLink;
    private long longSize = -1;
    private boolean failed;

    public TarReader(Visitor visitor) {
        this.visitor = visitor;
    }

    /** Takes the next bytes of the archive. After an exception nothing more may be pushed. */
    public void push(byte[] bytes, int offset, int length) {
        Check.that(!failed, "the archive is damaged");
        failed = true;
        int at = offset;
        int end = offset + length;
        while (at < end) {
            int n =
                    switch (state) {
                        case HEADER, ENDING, ENDED -> header(bytes, at, end);
                        case CONTENT -> content(bytes, at, end);
                        case EXTENSION -> extension(bytes, at, end);
                        case PADDING -> padding(at, end);
                    };
            at += n;
            position += n;
        }
        failed = false;
    }

    /** The archive is over; CORRUPTION if that is in the middle of something. */
    public void finish() {
        Check.that(!failed, "the archive is damaged");
        boolean between = state == State.HEADER && longName == null && longLink == null;
        if (headerBytes != 0 || !between && state != State.ENDING && state != State.ENDED) {
            throw damaged("the archive ends within a member");
        }
    }

    private int header(byte[] bytes, int at, int end) {
        int n = Math.min(BLOCK - headerBytes, end - at);
        System.arraycopy(bytes, at, header, headerBytes, n);
        headerBytes += n;
        if (headerBytes == BLOCK) {
            headerBytes = 0;
            if (allZero()) {
                if (longName != null || longLink != null || longSize >= 0) {
                    throw damaged("the archive ends after a long name");
                }
                state = state == State.HEADER ? State.ENDING : State.ENDED;
            } else if (state != State.HEADER) {
                throw damaged("found data after the end of the archive");
            } else {
                member();
            }
        }
        return n;
    }

    private int content(byte[] bytes, int at, int end) {
        int n = (int) Math.min(left, end - at);
        visitor.content(bytes, at, n);
        left -= n;
        if (left == 0) {
            visitor.entryEnd();
            state = padding == 0 ? State.HEADER : State.PADDING;
        }
        return n;
    }

    private int extension(byte[] bytes, int at, int end) {
        int n = (int) Math.min(left, end - at);
        if (extension.length - extensionBytes < n) {
            extension =
                    Arrays.copyOf(extension, Math.max(extensionBytes + n, extension.length * 2));
        }
        System.arraycopy(bytes, at, extension, extensionBytes, n);
        extensionBytes += n;
        left -= n;
        if (left == 0) {
            extensionDone();
            state = padding == 0 ? State.HEADER : State.PADDING;
        }
        return n;
    }

    private int padding(int at, int end) {
        int n = Math.min(padding, end - at);
        padding -= n;
        if (padding == 0) {
            state = State.HEADER;
        }
        return n;
    }

    private void member() {
        long expected = number(148, 8);
        long sum = 0;
        for (int i = 0; i < BLOCK; i++) {
            sum += i >= 148 && i < 156 ? ' ' : header[i] & 0xFF;
        }
        if (sum != expected) {
            throw damaged("header checksum: expected " + expected + ", found " + sum);
        }
        int type = header[156];
        long size = number(124, 12);
        switch (type) {
            case 'L', 'K', 'x' -> beginExtension(type, size);
            case 'g' -> beginExtension(type, size);
            case 0, '0', '7' -> begin(TarEntry.Type.FILE, size);
            case '1' -> begin(TarEntry.Type.HARD_LINK, 0);
            case '2' -> begin(TarEntry.Type.SYMBOLIC_LINK, 0);
            case '5' -> begin(TarEntry.Type.DIRECTORY, 0);
            default ->
                    throw PageserverException.of(
                            ErrorCode.UNSUPPORTED,
                            DAMAGED + "member '%s' is of type 0x%02x",
                            position,
                            text(0, 100),
                            type & 0xFF);
        }
    }

    private void beginExtension(int type, long size) {
        if (size <= 0 || size > MAX_NAME) {
            throw damaged("a long name of " + size + " bytes, expected 1 to " + MAX_NAME);
        }
        extensionType = type;
        extensionBytes = 0;
        left = size;
        padding = padding(size);
        state = State.EXTENSION;
    }

    private void begin(TarEntry.Type type, long headerSize) {
        long size = type == TarEntry.Type.FILE && longSize >= 0 ? longSize : headerSize;
        String prefix = ustar() ? text(345, 155) : "";
        String plain = prefix.isEmpty() ? text(0, 100) : prefix + "/" + text(0, 100);
        String name = path(longName != null ? longName : plain);
        boolean isLink = type == TarEntry.Type.SYMBOLIC_LINK || type == TarEntry.Type.HARD_LINK;
        String link = !isLink ? "" : longLink != null ? longLink : text(157, 100);
        // Old archives mark a directory by its trailing slash alone.
        boolean slash = type == TarEntry.Type.FILE && (longName == null && plain.endsWith("/"));
        if (slash && size != 0) {
            throw damaged("directory '" + name + "' has " + size + " bytes");
        }
        longName = null;
        longLink = null;
        longSize = -1;
        visitor.entry(
                new TarEntry(
                        name,
                        size,
                        slash ? TarEntry.Type.DIRECTORY : type,
                        link,
                        (int) (number(100, 8) & 07777)));
        if (size == 0) {
            visitor.entryEnd();
            return;
        }
        left = size;
        padding = padding(size);
        state = State.CONTENT;
    }

    private void extensionDone() {
        int length = extensionBytes;
        switch (extensionType) {
            case 'L' -> longName = cString(extension, 0, length);
            case 'K' -> longLink = cString(extension, 0, length);
            case 'x' -> pax();
            default -> {}
        }
    }

    /** Records of {@code <decimal length of the record> <keyword>=<value>\n}. */
    private void pax() {
        int at = 0;
        while (at < extensionBytes) {
            int length = 0;
            int digits = at;
            while (digits < extensionBytes
                    && digits - at < 6
                    && extension[digits] >= '0'
                    && extension[digits] <= '9') {
                length = length * 10 + extension[digits++] - '0';
            }
            int end = at + length;
            boolean good =
                    end <= extensionBytes
                            && end - 1 > digits
                            && extension[digits] == ' '
                            && extension[end - 1] == '\n';
            int equals = digits + 1;
            while (good && equals < end && extension[equals] != '=') {
                equals++;
            }
            if (!good || equals >= end) {
                throw damaged("a malformed pax record");
            }
            String keyword =
                    new String(extension, digits + 1, equals - digits - 1, StandardCharsets.UTF_8);
            String value =
                    new String(extension, equals + 1, end - equals - 2, StandardCharsets.UTF_8);
            switch (keyword) {
                case "path" -> longName = value;
                case "linkpath" -> longLink = value;
                case "size" -> longSize = decimal(value);
                default -> {
                    if (keyword.startsWith("GNU.sparse")) {
                        throw PageserverException.of(
                                ErrorCode.UNSUPPORTED, DAMAGED + "a sparse file", position);
                    }
                }
            }
            at = end;
        }
    }

    private long decimal(String value) {
        try {
            long number = Long.parseLong(value);
            if (number >= 0) {
                return number;
            }
        } catch (NumberFormatException e) {
            // falls through to the one error below
        }
        throw damaged("found size '" + value + "', expected a number");
    }

    /** A number of the header: octal digits between optional blanks, or base 256. */
    private long number(int at, int width) {
        if ((header[at] & 0x80) != 0) {
            long value = header[at] & 0x7F;
            for (int i = at + 1; i < at + width; i++) {
                if (value >>> 55 != 0) {
                    throw damaged("number at header byte " + at + " needs more than 63 bits");
                }
                value = value << 8 | header[i] & 0xFF;
            }
            return value;
        }
        long value = 0;
        int i = at;
        int end = at + width;
        while (i < end && header[i] == ' ') {
            i++;
        }
        for (; i < end && header[i] >= '0' && header[i] <= '7'; i++) {
            value = value << 3 | header[i] - '0';
        }
        for (; i < end; i++) {
            if (header[i] != ' ' && header[i] != 0) {
                throw damaged("found byte " + header[i] + " in the octal number at " + at);
            }
        }
        return value;
    }

    private String path(String name) {
        String path = name;
        while (path.startsWith("./")) {
            path = path.substring(2);
        }
        while (path.endsWith("/") && path.length() > 1) {
            path = path.substring(0, path.length() - 1);
        }
        if (path.equals(".")) {
            return "";
        }
        if (path.startsWith("/")
                || path.indexOf(0) >= 0
                || path.equals("..")
                || path.startsWith("../")
                || path.endsWith("/..")
                || path.contains("/../")) {
            throw damaged("found name '" + name + "', expected a path within the archive");
        }
        return path;
    }

    private boolean ustar() {
        return header[257] == 'u'
                && header[258] == 's'
                && header[259] == 't'
                && header[260] == 'a'
                && header[261] == 'r'
                && header[262] == 0;
    }

    private String text(int at, int width) {
        return cString(header, at, width);
    }

    private static String cString(byte[] bytes, int at, int width) {
        int end = at;
        while (end < at + width && bytes[end] != 0) {
            end++;
        }
        return new String(bytes, at, end - at, StandardCharsets.UTF_8);
    }

    private boolean allZero() {
        for (byte b : header) {
            if (b != 0) {
                return false;
            }
        }
        return true;
    }

    private static int padding(long size) {
        return (int) (-size & BLOCK - 1);
    }

    private PageserverException damaged(String found) {
        return PageserverException.corruption(DAMAGED + "%s", position, found);
    }
}
