/** A PostgreSQL of one's own on a branch: base backup, unpacking, starting, stopping. */
@NullMarked
package io.palimpsest.server.connect;

import org.jspecify.annotations.NullMarked;
