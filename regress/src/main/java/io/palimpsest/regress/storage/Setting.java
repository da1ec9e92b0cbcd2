package io.palimpsest.regress.storage;

import java.nio.file.Path;

/**
 * @param home an empty directory for the part
 * @param base a working directory with the timeline {@link Storage#BASE}, not to be written to
 * @param rounds that count
 * @param seconds of a burst of reads
 */
record Setting(Path home, Path base, int rounds, double seconds) {}
