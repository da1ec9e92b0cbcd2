package io.palimpsest.protocol;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.PageserverException;
import java.nio.charset.StandardCharsets;

/** Reads the fields of one message front to back. A field that does not fit is CORRUPTION. */
final class BodyReader {
    private byte[] bytes = new byte[0];
    private int start;
    private int at;
    private int end;
    private String what = "";

    /** Points it at another message; {@code what} names the message in errors. */
    BodyReader reset(byte[] newBytes, int offset, int length, String newWhat) {
        bytes = newBytes;
        start = offset;
        at = offset;
        end = offset + length;
        what = newWhat;
        return this;
    }

    byte[] array() {
        return bytes;
    }

    int position() {
        return at;
    }

    int remaining() {
        return end - at;
    }

    int u8() {
        return bytes[take(1)] & 0xFF;
    }

    int i16() {
        return (short) Bytes.u16BE(bytes, take(2));
    }

    int i32() {
        return Bytes.i32BE(bytes, take(4));
    }

    long i64() {
        return Bytes.i64BE(bytes, take(8));
    }

    /** A NUL-terminated text. */
    String text() {
        int nul = at;
        while (nul < end && bytes[nul] != 0) {
            nul++;
        }
        if (nul == end) {
            throw malformed("a text without its NUL");
        }
        String text = new String(bytes, at, nul - at, StandardCharsets.UTF_8);
        at = nul + 1;
        return text;
    }

    String text(int length) {
        return new String(bytes, take(length), length, StandardCharsets.UTF_8);
    }

    byte[] bytes(int length) {
        int from = take(length);
        byte[] copy = new byte[length];
        System.arraycopy(bytes, from, copy, 0, length);
        return copy;
    }

    /** Nothing may be left. */
    void finish() {
        if (at != end) {
            throw malformed((end - at) + " bytes too many");
        }
    }

    PageserverException malformed(String found) {
        return PageserverException.corruption(
                "%s, byte %d of %d: found %s", what, at - start, end - start, found);
    }

    private int take(int length) {
        if (length < 0 || length > end - at) {
            throw malformed((end - at) + " bytes, expected " + length);
        }
        int from = at;
        at += length;
        return from;
    }
}
