/** Base backups of PostgreSQL's on this machine's disk, and the WAL to go with them. */
@NullMarked
package io.palimpsest.server.backup;

import org.jspecify.annotations.NullMarked;
