package io.palimpsest.ingest;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import java.nio.charset.StandardCharsets;

/**
 * The backup_label of a base backup: where its WAL starts.
 *
 * <pre>
 * START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
 * CHECKPOINT LOCATION: 0/2000060
 * BACKUP METHOD: streamed
 * ...
 * START TIMELINE: 1
 * </pre>
 *
 * Source: PostgreSQL's build_backup_content.
 *
 * @param startLsn redo starts here; import and WAL receiver too
 * @param checkPointLsn start of the checkpoint's record
 * @param timeline PostgreSQL's timeline id; 0 if not given
 * @param ofStandby taken on a standby, whose WAL does not say where the backup ends
 */
public record BackupLabel(long startLsn, long checkPointLsn, int timeline, boolean ofStandby) {

    /**
     * CORRUPTION if one of the two LSNs is missing or no LSN; BAD_REQUEST for an incremental
     * backup.
     */
    public static BackupLabel parse(byte[] file) {
        long start = 0;
        long checkPoint = 0;
        int timeline = 0;
        boolean standby = false;
        for (String line : new String(file, StandardCharsets.UTF_8).split("\n", -1)) {
            int colon = line.indexOf(": ");
            if (colon < 0) {
                continue;
            }
            String value = line.substring(colon + 2).strip();
            switch (line.substring(0, colon)) {
                case "START WAL LOCATION" -> start = lsn(value);
                case "CHECKPOINT LOCATION" -> checkPoint = lsn(value);
                case "START TIMELINE" -> timeline = timeline(value);
                case "BACKUP FROM" -> standby = value.equals("standby");
                case "INCREMENTAL FROM LSN" -> throw BaseBackupImport.incremental("backup_label");
                default -> {}
            }
        }
        if (start == 0 || checkPoint == 0) {
            throw PageserverException.corruption(
                    "backup_label: expected START WAL LOCATION and CHECKPOINT LOCATION, found %s, %s",
                    Lsn.toString(start), Lsn.toString(checkPoint));
        }
        return new BackupLabel(start, checkPoint, timeline, standby);
    }

    private static long lsn(String value) {
        int space = value.indexOf(' ');
        try {
            return Lsn.parse(space < 0 ? value : value.substring(0, space)).value();
        } catch (PageserverException e) {
            throw PageserverException.corruption("backup_label: '%s' is no LSN", value);
        }
    }

    private static int timeline(String value) {
        try {
            return Integer.parseUnsignedInt(value);
        } catch (NumberFormatException e) {
            throw PageserverException.corruption("backup_label: timeline '%s'", value);
        }
    }
}
