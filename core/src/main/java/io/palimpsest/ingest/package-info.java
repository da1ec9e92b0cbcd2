/** One WAL record at a time -> the modifications it means. */
@NullMarked
package io.palimpsest.ingest;

import org.jspecify.annotations.NullMarked;
