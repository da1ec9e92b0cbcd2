package io.palimpsest.server.cli;

import io.palimpsest.base.Key;
import io.palimpsest.value.Keys;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.Rmgr;

/** Stored values as people name them. */
final class ValueText {
    private ValueText() {}

    /** Such as {@code HEAP info 0x00 xid 733}. */
    static String text(Key key, byte[] b, int at, int length) {
        return switch (StoredValue.kind(b, at)) {
            case StoredValue.IMAGE ->
                    length > 1 ? "image" : Keys.isPage(key.hi()) ? "page of zeros" : "tombstone";
            case StoredValue.RECORD -> record(b, at, length);
            case StoredValue.VM_CLEAR -> "visibility bits cleared";
            case StoredValue.VM_TRUNCATE -> "visibility map truncated";
            case StoredValue.CLOG_STATUS -> "transaction status";
            case StoredValue.MULTIXACT_OFFSETS -> "multixact offsets";
            case StoredValue.MULTIXACT_MEMBERS -> "multixact members";
            case StoredValue.COMMIT_TS -> "commit timestamps";
            default -> "kind " + StoredValue.kind(b, at);
        };
    }

    private static String record(byte[] b, int at, int length) {
        RecordSlice slice = new RecordSlice();
        slice.wrap(b, at, length, 0);
        return "%s info 0x%02X xid %s%s%s"
                .formatted(
                        Rmgr.name(slice.rmid()),
                        slice.info(),
                        Integer.toUnsignedString(slice.xid()),
                        slice.appliesImage() ? " with page image" : "",
                        slice.willInit() ? " will-init" : "");
    }
}
