package io.palimpsest.server.store;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.FormatVersion;
import io.palimpsest.base.PageserverException;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/**
 * What follows an object's bytes in its file, so that both are there or neither:
 *
 * <pre>
 * 0   u64  length of the object: all that is before the trailer
 * 8   u64  version, random
 * 16  u32  CRC32C of the object
 * 20  u32  CRC32C of the 20 bytes before
 * 24  8    "PALOBJ01"
 * </pre>
 *
 * Integers are little-endian.
 */
record LocalTrailer(long length, long version, int crc32c) {
    static final int SIZE = 32;

    /** "PALOBJ01" as a little-endian number. */
    private static final long MAGIC = 0x31304A424F4C4150L;

    byte[] bytes() {
        byte[] b = new byte[SIZE];
        Bytes.putI64(b, 0, length);
        Bytes.putI64(b, 8, version);
        Bytes.putI32(b, 16, crc32c);
        Bytes.putI32(b, 20, checksum(b));
        Bytes.putI64(b, 24, MAGIC);
        return b;
    }

    /**
     * @param fileSize trailer included
     * @throws PageserverException CORRUPTION if it is none, or of a file of another size
     */
    static LocalTrailer parse(byte[] b, String file, long fileSize) {
        String mark = new String(b, 24, 8, StandardCharsets.ISO_8859_1);
        FormatVersion.refuseLater(file, "PALOBJ", 1, mark);
        if (Bytes.i64(b, 24) != MAGIC) {
            throw PageserverException.corruption(
                    "%s: at offset %d expected the mark of an object, found %016x",
                    file, fileSize - 8, Bytes.i64(b, 24));
        }
        if (Bytes.i32(b, 20) != checksum(b)) {
            throw PageserverException.corruption(
                    "%s: at offset %d expected the trailer's checksum %08x, found %08x",
                    file, fileSize - 12, checksum(b), Bytes.i32(b, 20));
        }
        LocalTrailer trailer = new LocalTrailer(Bytes.i64(b, 0), Bytes.i64(b, 8), Bytes.i32(b, 16));
        if (trailer.length != fileSize - SIZE) {
            throw PageserverException.corruption(
                    "%s: expected %d bytes and a trailer of %d, found a file of %d",
                    file, trailer.length, SIZE, fileSize);
        }
        return trailer;
    }

    private static int checksum(byte[] b) {
        CRC32C crc = new CRC32C();
        crc.update(b, 0, 20);
        return (int) crc.getValue();
    }
}
