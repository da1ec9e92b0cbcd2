package io.palimpsest.timeline;

/** Where a branch hangs: what is older than the LSN is the ancestor's, up to it. */
record BranchPoint(Timeline ancestor, long lsn) {}
