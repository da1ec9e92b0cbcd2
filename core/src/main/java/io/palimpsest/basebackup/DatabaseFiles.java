package io.palimpsest.basebackup;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageChecksum;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.RelationFile;
import io.palimpsest.protocol.TarWriter;
import io.palimpsest.timeline.PageBatch;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.ReadView;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;

/** Databases and their relations as files. */
final class DatabaseFiles {
    private static final int FORKS = RelTag.INIT + 1;
    private static final int ABSENT = -1;

    private final Timeline timeline;
    private final long lsn;
    private final BackupForm form;
    private final boolean checksums;
    private final TarWriter tar;
    private final PgVersion version;
    private final PageBatch batch;
    private final byte[] pages;

    DatabaseFiles(Timeline timeline, long lsn, BackupForm form, boolean checksums, TarWriter tar) {
        this.timeline = timeline;
        this.lsn = lsn;
        this.form = form;
        this.checksums = checksums;
        this.tar = tar;
        version = timeline.version();
        batch = new PageBatch(timeline.batchPages());
        pages = new byte[timeline.batchPages() * Page.SIZE];
    }

    /**
     * @param between is run between two files
     */
    void write(ReadView view, Runnable between) {
        tar.file("PG_VERSION", versionFile());
        database(view, RelTag.GLOBAL_TABLESPACE, 0, between);
        List<Integer> tablespaces = new ArrayList<>(List.of(RelTag.DEFAULT_TABLESPACE));
        view.scan(
                Keys.ofKind(Keys.TABLESPACE),
                (key, _) -> {
                    tablespace(key.field2());
                    tablespaces.add(key.field2());
                });
        // Relations may lie in a tablespace without the database having its own files there.
        TreeSet<Integer> databases = new TreeSet<>(Integer::compareUnsigned);
        view.scan(Keys.ofKind(Keys.DATABASE), (key, _) -> databases.add(key.field3()));
        for (int db : databases) {
            for (int spc : tablespaces) {
                database(view, spc, db, between);
            }
        }
    }

    private void tablespace(int spc) {
        if (form != BackupForm.STOCK) {
            throw PageserverException.of(
                    ErrorCode.UNSUPPORTED,
                    "tablespace %s: compute nodes do not have any",
                    Integer.toUnsignedString(spc));
        }
        tar.directory("pg_tblspc/" + Integer.toUnsignedString(spc));
        tar.directory(BaseBackup.tablespace(spc, version));
    }

    /** Neon's computes of 14 and 15 know it without the line's end. */
    private byte[] versionFile() {
        boolean line = form == BackupForm.STOCK || version.atLeast(PgVersion.V16);
        return (version.major() + (line ? "\n" : "")).getBytes(StandardCharsets.US_ASCII);
    }

    private void database(ReadView view, int spc, int db, Runnable between) {
        String directory = BaseBackup.directory(spc, db, version);
        byte[] relmap = view.image(Keys.relmap(spc, db));
        if (relmap != null) {
            if (relmap.length != version.relmapBytes()) {
                throw PageserverException.corruption(
                        "%s/pg_filenode.map: expected %d bytes, found %d",
                        directory, version.relmapBytes(), relmap.length);
            }
            if (db != 0) {
                tar.directory(directory);
                tar.file(directory + "/PG_VERSION", versionFile());
            }
            tar.file(directory + "/pg_filenode.map", relmap);
        }
        Relation relation = new Relation(spc, db, directory);
        view.scan(
                Keys.ofDatabase(Keys.REL_SIZE, spc, db),
                (key, content) -> {
                    if (key.field4() != relation.number) {
                        if (relation.number == 0 && relmap == null) {
                            tar.directory(directory);
                        }
                        relation.write(between);
                        relation.begin(key.field4());
                    }
                    relation.blocks[key.field5()] = blocks(key, content);
                });
        relation.write(between);
    }

    private static long blocks(Key key, byte[] content) {
        if (content.length != 4 || key.field5() >= FORKS) {
            throw PageserverException.corruption(
                    "key %s: found %d bytes of size, expected 4", key, content.length);
        }
        return Bytes.u32(content, 0);
    }

    /** The forks of one relation. */
    private final class Relation {
        final int spc;
        final int db;
        final String directory;
        final long[] blocks = {ABSENT, ABSENT, ABSENT, ABSENT};
        int number;

        Relation(int spc, int db, String directory) {
            this.spc = spc;
            this.db = db;
            this.directory = directory;
        }

        void begin(int next) {
            number = next;
            Arrays.fill(blocks, ABSENT);
        }

        void write(Runnable between) {
            if (number == 0) {
                return;
            }
            boolean unlogged = blocks[RelTag.INIT] != ABSENT;
            if (unlogged) {
                // An unlogged relation is empty after the start: its main fork is its init fork.
                write(RelTag.INIT, RelTag.MAIN, between);
                write(RelTag.INIT, RelTag.INIT, between);
                return;
            }
            if (form.hasRelations()) {
                write(RelTag.MAIN, RelTag.MAIN, between);
                write(RelTag.VM, RelTag.VM, between);
                if (form != BackupForm.STOCK) {
                    write(RelTag.FSM, RelTag.FSM, between);
                }
            }
        }

        private void write(int from, int to, Runnable between) {
            RelTag tag = new RelTag(spc, db, number, from);
            long left = blocks[from];
            if (left == ABSENT) {
                return;
            }
            for (int segment = 0; segment == 0 || left > 0; segment++) {
                long here = Math.min(left, RelationFile.BLOCKS_PER_SEGMENT);
                tar.file(
                        directory + "/" + new RelationFile(number, to, segment).name(),
                        here * Page.SIZE);
                long first = (long) segment * RelationFile.BLOCKS_PER_SEGMENT;
                for (long block = first; block < first + here; block += batchSize()) {
                    between.run();
                    content(tag, block, (int) Math.min(batchSize(), first + here - block));
                }
                tar.endFile();
                left -= here;
            }
        }
    }

    private int batchSize() {
        return pages.length / Page.SIZE;
    }

    private void content(RelTag tag, long first, int count) {
        batch.clear();
        for (int i = 0; i < count; i++) {
            batch.add(tag, (int) (first + i), lsn, i * Page.SIZE);
        }
        timeline.readPages(batch, pages);
        if (checksums) {
            for (int i = 0; i < count; i++) {
                PageChecksum.stamp(pages, i * Page.SIZE, (int) (first + i));
            }
        }
        tar.content(pages, 0, count * Page.SIZE);
    }
}
