package io.palimpsest.protocol;

import io.palimpsest.base.Check;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Writes a tar archive in pieces, in constant memory, with the headers that {@link TarReader}
 * draws. Names are those of data directories: at most 100 bytes. Owner and group are 0, files are
 * of mode 0600, directories of 0700, since PostgreSQL starts in no other.
 *
 * <pre>
 * tar.directory("base");
 * tar.file("base/1/1259", 8192);  tar.content(page, 0, 8192);  tar.endFile();
 * tar.finish();
 * </pre>
 */
public final class TarWriter {
    /** Receives the archive's bytes; the array is the writer's or the caller's of content. */
    public interface Sink {
        void bytes(byte[] bytes, int offset, int length);
    }

    private static final int BLOCK = 512;
    private static final int MAX_NAME = 100;
    private static final byte[] ZEROS = new byte[32 << 10];

    private final Sink sink;
    private final long seconds;
    private final byte[] header = new byte[BLOCK];
    private long left = -1;
    private int padding;

    /**
     * @param seconds since 1970: when everything in it was modified
     */
    public TarWriter(Sink sink, long seconds) {
        this.sink = sink;
        this.seconds = seconds;
    }

    public void directory(String name) {
        header(name, 0, '5', 0700);
    }

    /** Starts a file; {@code size} bytes of content follow. */
    public void file(String name, long size) {
        Check.that(size >= 0 && size < 1L << 33, "%s of %d bytes", name, size);
        header(name, size, '0', 0600);
        left = size;
        padding = (int) (-size & BLOCK - 1);
    }

    public void content(byte[] bytes, int offset, int length) {
        Check.that(length <= left, "%d bytes more than the file has", length - left);
        sink.bytes(bytes, offset, length);
        left -= length;
    }

    /** Zeros, as content. */
    public void zeros(long length) {
        for (long n = length; n > 0; n -= ZEROS.length) {
            content(ZEROS, 0, (int) Math.min(n, ZEROS.length));
        }
    }

    public void endFile() {
        Check.that(left == 0, "%d bytes of the file are missing", left);
        left = -1;
        sink.bytes(ZEROS, 0, padding);
    }

    /** A whole file. */
    public void file(String name, byte[] content) {
        file(name, content.length);
        content(content, 0, content.length);
        endFile();
    }

    /** Ends the archive: without this a reader sees that it is not whole. */
    public void finish() {
        Check.that(left < 0, "the archive ends within a file");
        sink.bytes(ZEROS, 0, 2 * BLOCK);
    }

    private void header(String name, long size, int type, int mode) {
        Check.that(left < 0, "%s within a file", name);
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        Check.that(bytes.length <= MAX_NAME, "the name %s is too long", name);
        Arrays.fill(header, (byte) 0);
        System.arraycopy(bytes, 0, header, 0, bytes.length);
        octal(100, 7, mode);
        octal(108, 7, 0);
        octal(116, 7, 0);
        octal(124, 11, size);
        octal(136, 11, seconds);
        header[156] = (byte) type;
        System.arraycopy("ustar\00000".getBytes(StandardCharsets.US_ASCII), 0, header, 257, 8);
        Arrays.fill(header, 148, 156, (byte) ' ');
        int sum = 0;
        for (byte b : header) {
            sum += b & 0xFF;
        }
        octal(148, 6, sum);
        header[154] = 0;
        sink.bytes(header, 0, BLOCK);
    }

    private void octal(int at, int digits, long value) {
        long rest = value;
        for (int i = at + digits - 1; i >= at; i--) {
            header[i] = (byte) ('0' + (rest & 7));
            rest >>>= 3;
        }
        Check.that(rest == 0, "%d in %d octal digits", value, digits);
    }
}
