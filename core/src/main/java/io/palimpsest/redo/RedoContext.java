package io.palimpsest.redo;

import io.palimpsest.pg.PgVersion;

/**
 * What redo must know of the cluster.
 *
 * @param hintBitsLogged data checksums or wal_log_hints are on: setting all-visible then moves the
 *     heap page's LSN
 */
public record RedoContext(PgVersion version, boolean hintBitsLogged) {}
