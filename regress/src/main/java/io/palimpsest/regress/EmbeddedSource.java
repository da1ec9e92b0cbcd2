package io.palimpsest.regress;

import io.palimpsest.fixtures.EmbeddedPostgres;
import java.nio.file.Path;
import java.time.Duration;

/** Maven Central's binaries as a child process. */
record EmbeddedSource(EmbeddedPostgres postgres) implements SourcePostgres {
    @Override
    public int major() {
        return postgres.major();
    }

    @Override
    public String jdbcUrl(String database) {
        return postgres.jdbcUrl(database);
    }

    @Override
    public String conninfo() {
        return postgres.conninfo();
    }

    @Override
    public String newDirectory(String name) {
        return postgres.writableDirectory(name).toString();
    }

    @Override
    public void start() {
        postgres.start();
    }

    @Override
    public void stop(Duration limit) {
        postgres.stop(limit);
    }

    @Override
    public void kill() {
        postgres.kill();
    }

    @Override
    public DataDirectory copyData(Path to) {
        return DataDirectory.copy(postgres.data(), to);
    }

    @Override
    public void close() {
        postgres.close();
    }
}
