package io.palimpsest.ingest;

import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.RelationFile;
import io.palimpsest.pg.Slru;

/** What a file of a data directory is, by its path relative to that. */
sealed interface BackupFile {
    /** One segment of a relation's fork. */
    record Relation(RelTag tag, int segment) implements BackupFile {}

    record SlruSegment(Slru slru, int segment) implements BackupFile {}

    record RelationMap(int spc, int db) implements BackupFile {}

    /** PG_VERSION, of a database or (0, 0) of the cluster. */
    record Version(int spc, int db) implements BackupFile {}

    /** State of a prepared transaction; the epoch is not in the name before 17: then -1. */
    record TwoPhase(int epoch, int xid) implements BackupFile {}

    /** Files there is one of. */
    enum Single implements BackupFile {
        CONTROL,
        LABEL,
        TABLESPACE_MAP
    }

    /** All that is not imported. */
    record Other() implements BackupFile {}

    static BackupFile of(String path, PgVersion version) {
        switch (path) {
            case "global/pg_control" -> {
                return Single.CONTROL;
            }
            case "backup_label" -> {
                return Single.LABEL;
            }
            case "tablespace_map" -> {
                return Single.TABLESPACE_MAP;
            }
            case "PG_VERSION" -> {
                return new Version(0, 0);
            }
            default -> {}
        }
        int slash = path.lastIndexOf('/');
        if (slash < 0) {
            return new Other();
        }
        String directory = path.substring(0, slash);
        String name = path.substring(slash + 1);
        for (Slru slru : Slru.values()) {
            if (slru.directory().equals(directory)) {
                return slruSegment(slru, name);
            }
        }
        return directory.equals("pg_twophase")
                ? twoPhase(name)
                : inDatabase(directory.split("/", -1), name, version);
    }

    /** The name is the segment's number in 4 to 15 hexadecimal digits. */
    private static BackupFile slruSegment(Slru slru, String name) {
        if (name.length() < 4 || name.length() > 15 || !isHex(name)) {
            return new Other();
        }
        long segment = Long.parseLong(name, 16);
        return segment > 0xFFFF_FFFFL / Slru.PAGES_PER_SEGMENT
                ? new Other()
                : new SlruSegment(slru, (int) segment);
    }

    /** The name is the xid in 8 hexadecimal digits, from 17 on with its epoch in 16. */
    private static BackupFile twoPhase(String name) {
        if (name.length() != 8 && name.length() != 16 || !isHex(name)) {
            return new Other();
        }
        long xid = Long.parseUnsignedLong(name, 16);
        return new TwoPhase(name.length() == 16 ? (int) (xid >>> 32) : -1, (int) xid);
    }

    private static boolean isHex(String s) {
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            if (!(c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f')) {
                return false;
            }
        }
        return true;
    }

    /**
     * {@code global}, {@code base/<db>} or {@code pg_tblspc/<spc>/PG_<major>_<catalog
     * version>/<db>}.
     */
    private static BackupFile inDatabase(String[] directory, String name, PgVersion version) {
        int spc = 0;
        int db = 0;
        if (directory.length == 1 && directory[0].equals("global")) {
            return file(RelTag.GLOBAL_TABLESPACE, 0, name);
        }
        if (directory.length == 2 && directory[0].equals("base")) {
            spc = RelTag.DEFAULT_TABLESPACE;
            db = RelationFile.number(directory[1]);
        } else if (directory.length == 4
                && directory[0].equals("pg_tblspc")
                && directory[2].equals("PG_" + version.major() + "_" + version.catalogVersion())) {
            spc = RelationFile.number(directory[1]);
            db = RelationFile.number(directory[3]);
        }
        return spc == 0 || db == 0 ? new Other() : file(spc, db, name);
    }

    private static BackupFile file(int spc, int db, String name) {
        if (name.equals("pg_filenode.map")) {
            return new RelationMap(spc, db);
        }
        if (name.equals("PG_VERSION") && db != 0) {
            return new Version(spc, db);
        }
        RelationFile file = RelationFile.parse(name);
        return file == null
                ? new Other()
                : new Relation(new RelTag(spc, db, file.relation(), file.fork()), file.segment());
    }
}
