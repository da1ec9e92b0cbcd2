package io.palimpsest.pg;

import io.palimpsest.base.Bytes;
import java.util.zip.CRC32C;

/** Control files of clusters that never were. */
public final class ControlFiles {
    private ControlFiles() {}

    public static CheckPoint checkPoint(long nextXid) {
        CheckPoint c = CheckPoint.read(new byte[CheckPoint.BYTES], 0);
        c.setNextXid(nextXid);
        c.setOldestXid(3, 1);
        c.setNextMulti(1);
        c.setNextMultiOffset(1);
        c.setOldestMulti(1, 1);
        c.setTimelines(1, 1);
        return c;
    }

    public static byte[] bytes(PgVersion version, CheckPoint checkPoint, boolean commitTimestamps) {
        byte[] b = new byte[ControlFile.BYTES];
        Bytes.putI64(b, 0, 77);
        Bytes.putI32(b, 8, version.controlVersion());
        Bytes.putI32(b, 12, version.catalogVersion());
        Bytes.putI32(b, 16, ControlFile.STATE_SHUT_DOWN);
        Bytes.putI64(b, 32, 0xABC);
        System.arraycopy(checkPoint.toBytes(), 0, b, 40, CheckPoint.BYTES);
        b[200] = (byte) (commitTimestamps ? 1 : 0);
        Bytes.putI32(b, 204, 8);
        Bytes.putF64(b, 208, 1234567.0);
        Bytes.putI32(b, 216, 8192);
        Bytes.putI32(b, 220, 131072);
        Bytes.putI32(b, 224, 8192);
        Bytes.putI32(b, 228, 1 << 24);
        return sealed(b, version);
    }

    /** The same with a CRC that is right. */
    public static byte[] sealed(byte[] b, PgVersion version) {
        int at = version == PgVersion.V18 ? 292 : 288;
        CRC32C crc = new CRC32C();
        crc.update(b, 0, at);
        Bytes.putI32(b, at, (int) crc.getValue());
        return b;
    }

    public static ControlFile control(
            PgVersion version, CheckPoint checkPoint, boolean commitTimestamps) {
        return ControlFile.parse(bytes(version, checkPoint, commitTimestamps), version);
    }
}
