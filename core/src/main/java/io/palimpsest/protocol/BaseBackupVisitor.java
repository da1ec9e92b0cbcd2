package io.palimpsest.protocol;

import java.util.List;

/**
 * Receives a base backup, in this order: {@link #begin}, then for each archive {@link #archive},
 * {@link #bytes} any number of times, {@link #archiveEnd}. What it throws ends the backup and the
 * connection.
 */
public interface BaseBackupVisitor {
    /**
     * A tablespace other than the default.
     *
     * @param oid unsigned
     */
    record Tablespace(int oid, String path) {}

    /**
     * @param startLsn redo of a restore starts here
     * @param expectedBytes of all archives, about; 0 if the server was not asked, or does not say
     */
    void begin(long startLsn, int timelineId, List<Tablespace> tablespaces, long expectedBytes);

    /** A tar archive begins: of a tablespace, or of the cluster itself ({@code oid} 0). */
    void archive(int oid);

    /** The archive's next bytes; {@code bytes} is reused after the call. */
    void bytes(byte[] bytes, int offset, int length);

    void archiveEnd();
}
