/** PostgreSQL's own redo: processes that apply WAL records to pages. */
@NullMarked
package io.palimpsest.server.redo;

import org.jspecify.annotations.NullMarked;
