package io.palimpsest.regress;

import java.nio.file.Path;
import java.time.Duration;

/** The PostgreSQL a page server follows: embedded, or in a container. */
interface SourcePostgres extends AutoCloseable {
    int major();

    /** Of a database, by name. */
    String jdbcUrl(String database);

    /** For the page server's replication connection. */
    String conninfo();

    /** Makes a directory for a tablespace and returns its path as the server sees it. */
    String newDirectory(String name);

    void start();

    /** A clean, fast stop; throws if it takes longer. */
    void stop(Duration limit);

    /** SIGKILL to all of it. */
    void kill();

    /** Copies what a comparison needs out of the stopped server's data directory. */
    DataDirectory copyData(Path to);

    @Override
    void close();
}
