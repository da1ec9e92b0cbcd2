package io.palimpsest.server.backup;

import io.palimpsest.pg.RelationFile;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/** Which files of a data directory an import takes. */
final class BackupNames {
    static final String LABEL = "backup_label";
    static final String CONTROL = "global/pg_control";
    static final String VERSION = "PG_VERSION";
    static final String MAP = "tablespace_map";
    static final String WAL = "pg_wal/";
    static final String TABLESPACES = "pg_tblspc/";

    private static final int LONGEST = 100;
    private static final Set<String> FILES = Set.of(LABEL, VERSION, MAP);
    private static final Set<String> DIRECTORIES =
            Set.of(
                    "base",
                    "global",
                    "pg_tblspc",
                    "pg_xact",
                    "pg_multixact",
                    "pg_commit_ts",
                    "pg_twophase");

    private BackupNames() {}

    /** Temporary files, logs, caches and configuration are in no page. */
    static boolean isTaken(String name) {
        int slash = name.indexOf('/');
        return (slash < 0
                        ? FILES.contains(name)
                        : DIRECTORIES.contains(name.substring(0, slash))
                                && !name.contains("pgsql_tmp"))
                && name.getBytes(StandardCharsets.UTF_8).length <= LONGEST;
    }

    /** The tablespace's OID if that is the name of its link; else 0. */
    static int tablespace(String name) {
        return name.startsWith(TABLESPACES)
                ? RelationFile.number(name.substring(TABLESPACES.length()))
                : 0;
    }
}
