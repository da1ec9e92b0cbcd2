package io.palimpsest.server.store;

import io.palimpsest.port.ObjectStore.Content;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.zip.CRC32C;

/**
 * Reads content piece by piece into memory, so that a piece can be sent with its checksum, and
 * verifies the checksum of all of it with the last. What reads from a disk is never interrupted by
 * a timeout of the network then.
 */
final class Pieces {
    /** Bytes of a piece, usually; an object that is not larger is put in one request. */
    static final int SIZE = 8 << 20;

    private final String key;
    private final Content content;
    private final int size;
    private final CRC32C crc = new CRC32C();
    private long read;

    Pieces(String key, Content content) {
        this(key, content, SIZE);
    }

    /**
     * @param size bytes of a piece; they are held in memory
     */
    Pieces(String key, Content content, int size) {
        this.key = key;
        this.content = content;
        this.size = size;
    }

    boolean hasNext() {
        return read < content.length();
    }

    /** CORRUPTION if it is the last one and what was read is not what the content says it is. */
    byte[] next() {
        byte[] piece = new byte[(int) Math.min(size, content.length() - read)];
        content.read(read, piece, 0, piece.length);
        crc.update(piece);
        read += piece.length;
        if (!hasNext()) {
            LocalStore.requireChecksum(key, content.crc32c(), (int) crc.getValue());
        }
        return piece;
    }

    /** The digest that every store verifies on the way in. */
    static byte[] md5(byte[] piece) {
        try {
            return MessageDigest.getInstance("MD5").digest(piece);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("no MD5 in this Java", e);
        }
    }
}
