package io.palimpsest.sim.fault;

import io.palimpsest.base.ByteSink;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * Writes regular files as ustar members: a header of 512 bytes, the content, zeros to the next 512.
 */
final class TarWriter {
    private static final int BLOCK = 512;

    private final ByteSink out = new ByteSink(1 << 16);

    void file(String name, byte[] content) {
        byte[] header = new byte[BLOCK];
        text(header, 0, name);
        text(header, 100, "0000600\0");
        text(header, 108, "0000000\0");
        text(header, 116, "0000000\0");
        text(header, 124, String.format(Locale.ROOT, "%011o", content.length));
        text(header, 136, "00000000000");
        text(header, 148, "        ");
        header[156] = '0';
        text(header, 257, "ustar\00000");
        int sum = 0;
        for (byte b : header) {
            sum += b & 0xFF;
        }
        text(header, 148, String.format(Locale.ROOT, "%06o\0 ", sum));
        out.bytes(header);
        out.bytes(content);
        out.zeros(-content.length & BLOCK - 1);
    }

    /** The archive, with its end. */
    byte[] finish() {
        out.zeros(2 * BLOCK);
        return out.toByteArray();
    }

    private static void text(byte[] header, int at, String text) {
        byte[] b = text.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(b, 0, header, at, b.length);
    }
}
