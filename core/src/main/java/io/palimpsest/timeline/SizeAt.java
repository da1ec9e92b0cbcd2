package io.palimpsest.timeline;

/**
 * The size of a relation fork or SLRU segment as it was read.
 *
 * @param blocks -1 if there is no such fork
 * @param sinceLsn from which on it is known to be so
 */
record SizeAt(int blocks, long sinceLsn) {}
