package io.palimpsest.timeline;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PgVersion;

/**
 * A base backup that somebody sends, as one tar archive: the files of the data directory, those of
 * a tablespace below {@code pg_tblspc/<oid>/}.
 *
 * @param baseLsn where its WAL starts, as backup_label says; of a cluster that was shut down, the
 *     checkpoint's record or its end
 * @param endLsn with WAL up to there it is consistent; of a cluster that was shut down, the same
 * @param checksums are the pages' compared, if the cluster has them?
 */
public record BackupArchive(
        PgVersion version, long baseLsn, long endLsn, boolean checksums, Incoming bytes) {
    public BackupArchive {
        if (baseLsn == 0 || Long.compareUnsigned(endLsn, baseLsn) < 0) {
            throw PageserverException.badRequest(
                    "a base backup from %s to %s: expected base_lsn, and end_lsn not below it",
                    Lsn.toString(baseLsn), Lsn.toString(endLsn));
        }
    }
}
