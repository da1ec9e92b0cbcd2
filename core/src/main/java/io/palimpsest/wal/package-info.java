/**
 * WAL bytes to records and back: incremental, restartable at any record, never trusting a length.
 */
@NullMarked
package io.palimpsest.wal;

import org.jspecify.annotations.NullMarked;
