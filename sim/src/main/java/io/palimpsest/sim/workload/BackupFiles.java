package io.palimpsest.sim.workload;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Lsn;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.sim.fault.SimPostgres;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32C;

/** What a base backup holds beside relations: version, control file, label, transaction status. */
final class BackupFiles {
    private BackupFiles() {}

    static Map<String, byte[]> of(
            PgVersion version,
            long startLsn,
            int nextXid,
            int database,
            byte[] status,
            Map<String, byte[]> relations) {
        TreeMap<String, byte[]> files = new TreeMap<>(relations);
        byte[] major = (version.major() + "\n").getBytes(StandardCharsets.UTF_8);
        files.put("PG_VERSION", major);
        files.put("base/" + database + "/PG_VERSION", major);
        files.put("global/pg_control", controlFile(version, startLsn, nextXid));
        files.put("pg_xact/0000", status);
        String lsn = Lsn.toString(startLsn);
        files.put(
                "backup_label",
                ("START WAL LOCATION: "
                                + lsn
                                + " (file x)\nCHECKPOINT LOCATION: "
                                + lsn
                                + "\nSTART TIMELINE: 1\n")
                        .getBytes(StandardCharsets.UTF_8));
        return files;
    }

    private static byte[] controlFile(PgVersion version, long startLsn, int nextXid) {
        CheckPoint c = CheckPoint.read(new byte[CheckPoint.BYTES], 0);
        c.setRedo(startLsn);
        c.setNextXid(nextXid);
        c.setOldestXid(3, 1);
        c.setNextMulti(1);
        c.setNextMultiOffset(1);
        c.setOldestMulti(1, 1);
        c.setTimelines(1, 1);
        byte[] b = new byte[ControlFile.BYTES];
        Bytes.putI64(b, 0, SimPostgres.SYSTEM_IDENTIFIER);
        Bytes.putI32(b, 8, version.controlVersion());
        Bytes.putI32(b, 12, version.catalogVersion());
        Bytes.putI32(b, 16, 6);
        Bytes.putI64(b, 32, startLsn);
        System.arraycopy(c.toBytes(), 0, b, 40, CheckPoint.BYTES);
        Bytes.putI32(b, 204, 8);
        Bytes.putF64(b, 208, 1234567.0);
        Bytes.putI32(b, 216, Page.SIZE);
        Bytes.putI32(b, 220, 131_072);
        Bytes.putI32(b, 224, 8192);
        Bytes.putI32(b, 228, SimPostgres.SEGMENT_SIZE);
        int at = version.atLeast(PgVersion.V18) ? 292 : 288;
        CRC32C crc = new CRC32C();
        crc.update(b, 0, at);
        Bytes.putI32(b, at, (int) crc.getValue());
        return b;
    }
}
