package io.palimpsest.server.backup;

import io.palimpsest.pg.WalHistory;
import io.palimpsest.protocol.TarWriter;
import java.nio.charset.StandardCharsets;

/** What a page server is sent: a backup's files as one archive, and its WAL as another. */
public final class BackupTar {
    private BackupTar() {}

    /** The files. Where tablespaces were is told by a tablespace_map, for links are refused. */
    public static void files(StoredBackup backup, BackupFacts facts, TarWriter.Sink to) {
        TarWriter tar = new TarWriter(to, 0);
        if (!facts.mapped() && !facts.links().isEmpty()) {
            StringBuilder map = new StringBuilder();
            facts.links()
                    .forEach((oid, location) ->
                            map.append(Integer.toUnsignedString(oid))
                                    .append(' ')
                                    .append(
                                            location.replace("\\", "\\\\")
                                                    .replace("\n", "\\\n")
                                                    .replace("\r", "\\\r"))
                                    .append('\n'));
            tar.file(BackupNames.MAP, map.toString().getBytes(StandardCharsets.UTF_8));
        }
        backup.files(
                new FileVisitor() {
                    @Override
                    public boolean file(String name, long size) {
                        tar.file(name, size);
                        if (size == 0) {
                            tar.endFile();
                        }
                        return size > 0;
                    }

                    @Override
                    public void content(byte[] bytes, int offset, int length) {
                        tar.content(bytes, offset, length);
                    }

                    @Override
                    public void end() {
                        tar.endFile();
                    }

                    @Override
                    public void tablespace(int oid, String location) {
                        // It is in the map.
                    }

                    @Override
                    public void hasTablespace(int oid) {
                        // Likewise.
                    }
                });
        tar.finish();
    }

    /**
     * The segments that have WAL from {@code startLsn} to {@code endLsn}, whole; before them, if it
     * is of more than one WAL timeline, the history of the last one.
     */
    public static void wal(
            WalTrail trail, BackupFacts facts, long startLsn, long endLsn, TarWriter.Sink to) {
        TarWriter tar = new TarWriter(to, 0);
        WalHistory timelines = trail.timelines();
        if (!timelines.past().isEmpty()) {
            tar.file(timelines.fileName(), timelines.text().getBytes(StandardCharsets.US_ASCII));
        }
        trail.walk(
                new WalTrail.Visitor() {
                    private long left;
                    private boolean enough;

                    @Override
                    public boolean enough() {
                        return enough;
                    }

                    @Override
                    public void segment(String name, long segment) {
                        enough = segment + facts.segmentSize() >= endLsn;
                        boolean wanted =
                                segment < endLsn && segment + facts.segmentSize() > startLsn;
                        left = wanted ? facts.segmentSize() : 0;
                        if (wanted) {
                            tar.file(name, left);
                        }
                    }

                    @Override
                    public void bytes(byte[] bytes, int offset, int length) {
                        int n = (int) Math.min(left, length);
                        if (n > 0) {
                            tar.content(bytes, offset, n);
                            left -= n;
                            if (left == 0) {
                                tar.endFile();
                            }
                        }
                    }

                    @Override
                    public void segmentEnd() {
                        if (left > 0) {
                            // Cut, and what is missing lies behind the end.
                            tar.zeros(left);
                            tar.endFile();
                            left = 0;
                        }
                    }
                });
        tar.finish();
    }

    /** Bytes of those segments. */
    public static long walBytes(BackupFacts facts, long startLsn, long endLsn) {
        long size = facts.segmentSize();
        return (Long.divideUnsigned(endLsn - 1, size) - Long.divideUnsigned(startLsn, size) + 1)
                * size;
    }
}
