package io.palimpsest.protocol;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PgVersion;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads the answer to BASE_BACKUP and makes one stream of events of its two dialects.
 *
 * <pre>
 *   rows (start lsn, timeline) | rows (oid, path, size), the last one NULL | archives | rows (end lsn, timeline)
 *   archives, 14:   one COPY a row of tablespaces, raw tar bytes in CopyData
 *   archives, 15+:  one COPY; CopyData starts with a type: n name NUL path NUL, d bytes, m manifest, p progress
 * </pre>
 */
final class BaseBackupReader {
    private final ReplicationLink link;
    private final PgVersion version;
    private final BaseBackupOptions options;
    private final BaseBackupVisitor visitor;
    private final List<BaseBackupVisitor.Tablespace> tablespaces = new ArrayList<>();
    private long expectedBytes;
    private boolean open;

    BaseBackupReader(
            ReplicationLink link,
            PgVersion version,
            BaseBackupOptions options,
            BaseBackupVisitor visitor) {
        this.link = link;
        this.version = version;
        this.options = options;
        this.visitor = visitor;
    }

    BaseBackupRange run() {
        boolean old = version == PgVersion.V14;
        link.command(old ? options.command14() : options.command15());
        @Nullable String[] start = oneRow();
        long startLsn = link.lsn(start, 0);
        int startTimeline = link.u32(start, 1);
        tablespaces();
        boolean done = false;
        try {
            visitor.begin(startLsn, startTimeline, List.copyOf(tablespaces), expectedBytes);
            if (old) {
                for (BaseBackupVisitor.Tablespace tablespace : tablespaces) {
                    archive14(tablespace.oid());
                }
                archive14(0);
            } else {
                archives15();
            }
            done = true;
        } finally {
            if (!done) {
                link.close();
            }
        }
        @Nullable String[] end = oneRow();
        long endLsn = link.lsn(end, 0);
        int endTimeline = link.u32(end, 1);
        link.expect('C', "CommandComplete", options.timeoutNanos());
        link.expect('Z', "ReadyForQuery", options.timeoutNanos());
        return new BaseBackupRange(startLsn, startTimeline, endLsn, endTimeline);
    }

    private @Nullable String[] oneRow() {
        List<@Nullable String[]> rows = link.resultSet(2, options.timeoutNanos());
        if (rows.size() != 1) {
            throw link.fail(
                    PageserverException.corruption(
                            "BASE_BACKUP: found %d rows of positions, expected 1", rows.size()));
        }
        return rows.getFirst();
    }

    private void tablespaces() {
        List<@Nullable String[]> rows = link.resultSet(3, options.timeoutNanos());
        for (int i = 0; i < rows.size(); i++) {
            @Nullable String[] row = rows.get(i);
            boolean base = row[0] == null;
            expectedBytes += kibibytes(row) << 10;
            if (base != (i == rows.size() - 1)) {
                break;
            }
            if (base) {
                return;
            }
            tablespaces.add(
                    new BaseBackupVisitor.Tablespace(link.u32(row, 0), link.column(row, 1)));
        }
        throw link.fail(
                PageserverException.corruption(
                        "BASE_BACKUP: %d rows of tablespaces, expected the cluster last",
                        rows.size()));
    }

    /** NULL unless asked for. What makes no sense is a progress bar's trouble, and no error. */
    private static long kibibytes(@Nullable String[] row) {
        String size = row[2];
        return size != null && size.matches("[0-9]{1,12}") ? Long.parseLong(size) : 0;
    }

    private void archive14(int oid) {
        link.expect('H', "CopyOutResponse", options.timeoutNanos());
        visitor.archive(oid);
        while (true) {
            int type = link.await(options.timeoutNanos());
            switch (type) {
                case 'd' -> {
                    BodyReader body = link.body();
                    visitor.bytes(body.array(), body.position(), body.remaining());
                }
                case 'c' -> {
                    visitor.archiveEnd();
                    return;
                }
                default -> throw link.unexpected(type, "archive data");
            }
        }
    }

    private void archives15() {
        link.expect('H', "CopyOutResponse", options.timeoutNanos());
        int archives = 0;
        while (true) {
            int type = link.await(options.timeoutNanos());
            switch (type) {
                case 'd' -> archives += copyData(link.body());
                case 'c' -> {
                    if (archives != tablespaces.size() + 1) {
                        throw link.fail(
                                PageserverException.corruption(
                                        "BASE_BACKUP: found %d archives, expected %d",
                                        archives, tablespaces.size() + 1));
                    }
                    endArchive();
                    return;
                }
                default -> throw link.unexpected(type, "archive data");
            }
        }
    }

    /** Takes one typed CopyData; answers how many archives it began. */
    private int copyData(BodyReader body) {
        int type = body.u8();
        return switch (type) {
            case 'n' -> {
                String name = body.text();
                body.text();
                body.finish();
                endArchive();
                visitor.archive(oid(name));
                open = true;
                yield 1;
            }
            case 'd' -> {
                if (!open) {
                    throw body.malformed("archive data before an archive's name");
                }
                visitor.bytes(body.array(), body.position(), body.remaining());
                yield 0;
            }
            case 'p' -> {
                body.i64();
                body.finish();
                yield 0;
            }
            default -> throw body.malformed("type " + type + ", expected 'n', 'd' or 'p'");
        };
    }

    private void endArchive() {
        if (open) {
            open = false;
            visitor.archiveEnd();
        }
    }

    private int oid(String name) {
        if (name.equals("base.tar")) {
            return 0;
        }
        for (BaseBackupVisitor.Tablespace tablespace : tablespaces) {
            if (name.equals(Integer.toUnsignedString(tablespace.oid()) + ".tar")) {
                return tablespace.oid();
            }
        }
        throw PageserverException.corruption(
                "BASE_BACKUP: found archive '%s', expected base.tar or a tablespace's", name);
    }
}
