package io.palimpsest.regress.oracle;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.redo.RedoContext;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A part of the oracle's time, with a cluster of its own.
 *
 * @param checksums of the cluster's data
 * @param logical wal_level = logical (else replica), with wal_log_hints
 * @param compressed wal_compression on
 * @param percent of the time
 */
record Phase(String name, boolean checksums, boolean logical, boolean compressed, int percent) {
    static List<Phase> all() {
        return List.of(
                new Phase("plain", false, false, false, 55),
                new Phase("checksums, compressed images", true, false, true, 20),
                new Phase("hints logged, logical", false, true, false, 25));
    }

    EmbeddedPostgres create(PostgresBinaries binaries, Path directory) {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("wal_consistency_checking", "all");
        settings.put("wal_level", logical ? "logical" : "replica");
        settings.put("wal_log_hints", logical ? "on" : "off");
        settings.put("wal_compression", compressed ? "on" : "off");
        settings.put("synchronous_commit", "off");
        settings.put("wal_buffers", "16MB");
        settings.put("shared_buffers", "256MB");
        // A page's first change after a checkpoint carries an image to apply, and none to check.
        settings.put("checkpoint_timeout", "30min");
        settings.put("max_wal_size", "6GB");
        settings.put("wal_sender_timeout", "0");
        settings.put("autovacuum_naptime", "5s");
        settings.put("deadlock_timeout", "100ms");
        settings.put("jit", "off");
        settings.put("log_min_messages", "fatal");
        List<String> initdb = new ArrayList<>();
        if (checksums) {
            initdb.add("--data-checksums");
        } else if (binaries.major() >= 18) {
            initdb.add("--no-data-checksums");
        }
        return EmbeddedPostgres.create(binaries, directory, settings, initdb);
    }

    RedoContext context(int major) {
        return new RedoContext(PgVersion.ofMajor(major), checksums || logical);
    }
}
