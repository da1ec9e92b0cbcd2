package io.palimpsest.regress;

/** PostgreSQL's own files, copied while it was stopped, and what is in which. */
record SoakMoment(int number, long lsn, DataDirectory files, Catalog catalog) {}
