package io.palimpsest.regress.storage;

/** A part of the benchmark; it has a JVM and a directory of its own. */
interface Part {
    void run(Setting setting, Report report) throws Exception;
}
