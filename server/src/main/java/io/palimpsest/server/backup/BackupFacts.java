package io.palimpsest.server.backup;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.ingest.BackupLabel;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.wal.WalPage;
import io.palimpsest.wal.WalRecord;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What a base backup says of itself.
 *
 * @param label null: of a cluster that was shut down
 * @param links tablespaces that the backup tells of by links: where each was, by OID
 * @param mapped the backup has a tablespace_map
 * @param files that are imported
 * @param bytes of them
 */
public record BackupFacts(
        PgVersion version,
        ControlFile control,
        @Nullable BackupLabel label,
        Map<Integer, String> links,
        boolean mapped,
        long files,
        long bytes) {
    private static final int SMALL = 1 << 20;
    private static final List<String> READ =
            List.of(BackupNames.VERSION, BackupNames.LABEL, BackupNames.CONTROL, BackupNames.MAP);

    /**
     * Looks through a backup.
     *
     * @throws PageserverException BAD_REQUEST if it is none, or of a version that is not known;
     *     PRECONDITION_FAILED if it is a copy of a server that ran
     */
    public static BackupFacts read(StoredBackup backup) {
        Inspection found = new Inspection();
        backup.files(found);
        byte[] control = found.small.get(BackupNames.CONTROL);
        byte[] versionText = found.small.get(BackupNames.VERSION);
        if (control == null || versionText == null) {
            throw PageserverException.badRequest(
                    "there is no %s in it: this is no base backup, or not all of one",
                    control == null ? BackupNames.CONTROL : BackupNames.VERSION);
        }
        PgVersion version = version(versionText);
        ControlFile parsed = ControlFile.parse(control, version);
        byte[] labelText = found.small.get(BackupNames.LABEL);
        BackupLabel label = labelText == null ? null : BackupLabel.parse(labelText);
        if (label == null && parsed.state() != ControlFile.STATE_SHUT_DOWN) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "it has no backup_label, and its cluster was not shut down (state %d): files that were copied while the server ran are no backup; take one by pg_basebackup, or stop the server before",
                    parsed.state());
        }
        byte[] map = found.small.get(BackupNames.MAP);
        requireTablespaces(found, map);
        return new BackupFacts(
                version,
                parsed,
                label,
                Map.copyOf(found.links),
                map != null,
                found.files,
                found.bytes);
    }

    private static PgVersion version(byte[] text) {
        String word = new String(text, StandardCharsets.UTF_8).strip();
        if (!word.matches("\\d{1,4}")) {
            throw PageserverException.badRequest(
                    "PG_VERSION is '%s': PostgreSQL 14 to 18 are supported", word);
        }
        return PgVersion.ofMajor(Integer.parseInt(word));
    }

    /** Each that the map names, or a link, must have its files here. */
    private static void requireTablespaces(Inspection found, byte @Nullable [] map) {
        TreeSet<String> named = new TreeSet<>();
        found.links.keySet().forEach(oid -> named.add(Integer.toUnsignedString(oid)));
        if (map != null) {
            new String(map, StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> line.matches("\\d+ .*"))
                    .forEach(line -> named.add(line.substring(0, line.indexOf(' '))));
        }
        for (String oid : named) {
            if (!found.tablespaces.contains(oid)) {
                throw PageserverException.badRequest(
                        "the files of tablespace %s are missing: expected %s.tar beside base.tar, or pg_tblspc/%s",
                        oid, oid, oid);
            }
        }
    }

    /** The cluster's system identifier, unsigned. */
    public long systemIdentifier() {
        return control.systemIdentifier();
    }

    public int segmentSize() {
        return control.walSegmentBytes();
    }

    /** Where its WAL starts. */
    public long startLsn() {
        return label != null
                ? label.startLsn()
                : WalPage.recordEnd(
                        control.checkPointLsn(),
                        WalRecord.SHUTDOWN_CHECKPOINT_BYTES,
                        segmentSize());
    }

    /** PostgreSQL's timeline that its WAL is on. */
    public int walTimeline() {
        return label == null || label.timeline() == 0
                ? control.checkPoint().timeline()
                : label.timeline();
    }

    /** Reads what is small, and counts the rest. */
    private static final class Inspection implements FileVisitor {
        private final TreeMap<String, byte[]> small = new TreeMap<>();
        private final TreeMap<Integer, String> links = new TreeMap<>();
        private final TreeSet<String> tablespaces = new TreeSet<>();
        private final ByteArrayOutputStream kept = new ByteArrayOutputStream();
        private String name = "";
        private long files;
        private long bytes;

        @Override
        public boolean file(String file, long size) {
            files++;
            bytes += size;
            name = file;
            kept.reset();
            if (READ.contains(file) && size > SMALL) {
                throw PageserverException.badRequest(
                        "%s has %d bytes: this is no base backup", file, size);
            }
            // A backup as tar has a map of tablespaces also where there are none.
            if (READ.contains(file) && size == 0 && !file.equals(BackupNames.MAP)) {
                throw PageserverException.badRequest("%s is empty", file);
            }
            return READ.contains(file);
        }

        @Override
        public void content(byte[] b, int offset, int length) {
            kept.write(b, offset, length);
        }

        @Override
        public void end() {
            if (small.put(name, kept.toByteArray()) != null) {
                throw PageserverException.badRequest("%s comes twice", name);
            }
        }

        @Override
        public void tablespace(int oid, String location) {
            links.put(oid, location);
        }

        @Override
        public void hasTablespace(int oid) {
            tablespaces.add(Integer.toUnsignedString(oid));
        }
    }
}
