package io.palimpsest.redo;

import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;

/**
 * What redo must know of the cluster.
 *
 * @param origin whose records these are
 * @param hintBitsLogged data checksums or wal_log_hints are on: setting all-visible then moves the
 *     heap page's LSN
 */
public record RedoContext(PgVersion version, WalOrigin origin, boolean hintBitsLogged) {
    /** Of an unmodified PostgreSQL. */
    public RedoContext(PgVersion version, boolean hintBitsLogged) {
        this(version, WalOrigin.STOCK, hintBitsLogged);
    }
}
