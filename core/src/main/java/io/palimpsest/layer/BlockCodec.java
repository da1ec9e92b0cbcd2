package io.palimpsest.layer;

/** How the data blocks of a layer file are compressed; a reader takes any in any file. */
public enum BlockCodec {
    /** Not at all. Every writer falls back to it where compressing saves less than an eighth. */
    RAW(0),
    /** The block format of lz4: decoded at memory speed. For what is read much or not for long. */
    LZ4(1),
    /** One frame of zstd (RFC 8878): a third smaller, ten times slower. For what is read seldom. */
    ZSTD(2);

    private final int number;

    BlockCodec(int number) {
        this.number = number;
    }

    /** As stored. */
    int number() {
        return number;
    }
}
