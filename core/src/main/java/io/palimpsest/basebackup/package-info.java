/** Base backups: a timeline as of one LSN, as the files of a data directory. */
@NullMarked
package io.palimpsest.basebackup;

import org.jspecify.annotations.NullMarked;
