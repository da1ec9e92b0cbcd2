package io.palimpsest.basebackup;

/** Who starts from a base backup. What one needs the other must not get. */
public enum BackupForm {
    /**
     * An unmodified PostgreSQL: relations and all, a shutdown checkpoint in pg_control and in the
     * WAL. Free space maps are left out, VACUUM makes them again; page checksums are stamped where
     * the cluster has them; tablespaces lie in {@code pg_tblspc/<oid>}.
     */
    STOCK,

    /**
     * A compute node of Neon's: no relations, they are read from here; a signal file, and a
     * pg_control whose checkpoint is nowhere in the WAL.
     */
    COMPUTE,

    /** {@link #COMPUTE} with all relations. */
    COMPUTE_WITH_RELATIONS;

    boolean hasRelations() {
        return this != COMPUTE;
    }
}
