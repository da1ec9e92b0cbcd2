package io.palimpsest.base;

import java.util.Arrays;

/**
 * A growing byte array to write into. Reused by calling {@link #clear()}; readers take {@link
 * #array()} with {@link #size()} and must not keep it past the next write.
 */
public final class ByteSink {
    private byte[] bytes;
    private int size;

    public ByteSink(int capacity) {
        bytes = new byte[Math.max(16, capacity)];
    }

    public byte[] array() {
        return bytes;
    }

    public int size() {
        return size;
    }

    public void clear() {
        size = 0;
    }

    /** Cuts what was written back to its first {@code newSize} bytes. */
    public void truncate(int newSize) {
        Check.that(newSize >= 0 && newSize <= size, "truncate to %d of %d", newSize, size);
        size = newSize;
    }

    public byte[] toByteArray() {
        return Arrays.copyOf(bytes, size);
    }

    /**
     * Makes room for {@code n} bytes and answers the offset they start at; their content is
     * undefined.
     */
    public int reserve(int n) {
        int at = size;
        if (bytes.length - at < n) {
            bytes =
                    Arrays.copyOf(
                            bytes,
                            Math.max(
                                    Math.addExact(at, n),
                                    (int) Math.min(Integer.MAX_VALUE - 8L, bytes.length * 2L)));
        }
        size = at + n;
        return at;
    }

    public void u8(int value) {
        int at = reserve(1);
        bytes[at] = (byte) value;
    }

    public void u16(int value) {
        int at = reserve(2);
        Bytes.putU16(bytes, at, value);
    }

    public void i32(int value) {
        int at = reserve(4);
        Bytes.putI32(bytes, at, value);
    }

    public void i64(long value) {
        int at = reserve(8);
        Bytes.putI64(bytes, at, value);
    }

    public void u16BE(int value) {
        int at = reserve(2);
        Bytes.putU16BE(bytes, at, value);
    }

    public void i32BE(int value) {
        int at = reserve(4);
        Bytes.putI32BE(bytes, at, value);
    }

    public void i64BE(long value) {
        int at = reserve(8);
        Bytes.putI64BE(bytes, at, value);
    }

    public void bytes(byte[] source) {
        bytes(source, 0, source.length);
    }

    public void bytes(byte[] source, int offset, int length) {
        int at = reserve(length);
        System.arraycopy(source, offset, bytes, at, length);
    }

    public void zeros(int n) {
        int at = reserve(n);
        Arrays.fill(bytes, at, at + n, (byte) 0);
    }
}
