/** The shell that owns a timeline's state: writing, flushing, reading, waiting, receiving WAL. */
@NullMarked
package io.palimpsest.timeline;

import org.jspecify.annotations.NullMarked;
