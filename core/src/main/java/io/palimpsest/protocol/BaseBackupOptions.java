package io.palimpsest.protocol;

import io.palimpsest.base.Check;

/**
 * What to ask BASE_BACKUP for. Never asked for: a manifest, compression, and waiting for the WAL
 * archive.
 *
 * @param label goes into backup_label
 * @param fastCheckpoint checkpoint at once instead of spread over time
 * @param includeWal the WAL between start and end goes into the base archive
 * @param tablespaceMap a tablespace_map file instead of links
 * @param sizes the server reckons how much there will be, for which it looks at every file
 * @param maxRateKiB kibibytes a second, 32 to 1048576; 0: unlimited
 * @param timeoutNanos longest silence of the server, its checkpoint included
 */
public record BaseBackupOptions(
        String label,
        boolean fastCheckpoint,
        boolean includeWal,
        boolean tablespaceMap,
        boolean sizes,
        int maxRateKiB,
        long timeoutNanos) {
    public BaseBackupOptions {
        Check.that(label.indexOf(0) < 0, "a NUL within the label %s", label);
        Check.that(
                maxRateKiB == 0 || maxRateKiB >= 32 && maxRateKiB <= 1 << 20,
                "maxRateKiB %d",
                maxRateKiB);
        Check.that(timeoutNanos > 0, "timeoutNanos %d", timeoutNanos);
    }

    public BaseBackupOptions(String label) {
        this(label, true, false, true, false, 0, 600_000_000_000L);
    }

    /** The same, and the server says how much there will be. */
    public BaseBackupOptions withSizes() {
        return new BaseBackupOptions(
                label, fastCheckpoint, includeWal, tablespaceMap, true, maxRateKiB, timeoutNanos);
    }

    /** The command in the dialect of PostgreSQL 14, which is bare words. */
    String command14() {
        StringBuilder command = new StringBuilder("BASE_BACKUP LABEL ").append(quoted());
        command.append(sizes ? " PROGRESS" : "")
                .append(fastCheckpoint ? " FAST" : "")
                .append(includeWal ? " WAL" : "")
                .append(" NOWAIT")
                .append(maxRateKiB > 0 ? " MAX_RATE " + maxRateKiB : "")
                .append(tablespaceMap ? " TABLESPACE_MAP" : "");
        return command.toString();
    }

    /** The command in the dialect of PostgreSQL 15 and later, an option list. */
    String command15() {
        StringBuilder command = new StringBuilder("BASE_BACKUP (LABEL ").append(quoted());
        command.append(fastCheckpoint ? ", CHECKPOINT 'fast'" : ", CHECKPOINT 'spread'")
                .append(sizes ? ", PROGRESS" : "")
                .append(includeWal ? ", WAL" : "")
                .append(", WAIT 0")
                .append(maxRateKiB > 0 ? ", MAX_RATE " + maxRateKiB : "")
                .append(tablespaceMap ? ", TABLESPACE_MAP" : "");
        return command.append(")").toString();
    }

    private String quoted() {
        return "'" + label.replace("'", "''") + "'";
    }
}
