/** PostgreSQL's own formats as data, per major version: page, control file, checkpoint, SLRU. */
@NullMarked
package io.palimpsest.pg;

import org.jspecify.annotations.NullMarked;
