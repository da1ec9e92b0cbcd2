package io.palimpsest.regress.storage;

import io.palimpsest.pg.RelTag;
import java.nio.file.Path;

/**
 * @param home an empty directory for the part
 * @param base a working directory with the timeline {@link Storage#BASE}, not to be written to
 * @param stills a table of the base, in image layers
 * @param blocks of that table
 * @param major PostgreSQL's version
 * @param rounds that count
 * @param seconds of a burst of reads
 */
record Setting(
        Path home, Path base, RelTag stills, int blocks, int major, int rounds, double seconds) {}
