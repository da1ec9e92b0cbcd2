package io.palimpsest.pg;

import io.palimpsest.base.PageserverException;
import java.util.Arrays;

/**
 * The major versions, and what of their formats is one number. Source: PostgreSQL's
 * xlog_internal.h, pg_control.h, catversion.h.
 */
public enum PgVersion {
    V14(14, 0xD10D, 1300, 202107181, 512),
    V15(15, 0xD110, 1300, 202209061, 512),
    V16(16, 0xD113, 1300, 202307071, 524),
    V17(17, 0xD116, 1700, 202406281, 524),
    V18(18, 0xD118, 1800, 202506291, 524);

    private final int major;
    private final int walMagic;
    private final int controlVersion;
    private final int catalogVersion;
    private final int relmapBytes;

    PgVersion(int major, int walMagic, int controlVersion, int catalogVersion, int relmapBytes) {
        this.major = major;
        this.walMagic = walMagic;
        this.controlVersion = controlVersion;
        this.catalogVersion = catalogVersion;
        this.relmapBytes = relmapBytes;
    }

    public static PgVersion ofMajor(int major) {
        return Arrays.stream(values())
                .filter(v -> v.major == major)
                .findFirst()
                .orElseThrow(() ->
                        PageserverException.badRequest(
                                "PostgreSQL %d is not supported: 14 to 18 are", major));
    }

    public int major() {
        return major;
    }

    /** xlp_magic of WAL page headers. */
    public int walMagic() {
        return walMagic;
    }

    public int controlVersion() {
        return controlVersion;
    }

    public int catalogVersion() {
        return catalogVersion;
    }

    /** Size of pg_filenode.map. */
    public int relmapBytes() {
        return relmapBytes;
    }

    public boolean atLeast(PgVersion other) {
        return major >= other.major;
    }
}
