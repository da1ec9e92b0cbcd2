package io.palimpsest.sim.workload;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.zip.CRC32C;

/**
 * Writes a cluster's WAL, record by record, and tells the reference what each record does. Kinds:
 * page images (many blocks, gaps, with and without a hole), generic deltas, heap inserts (with and
 * without initialisation and page image), sequences, creation, truncation, commits and aborts that
 * drop relations and have subtransactions, new pages of transaction status, segment switches, and
 * records without effect. Records cross pages and segments, which are small.
 */
public final class WalWorkload {
    private static final int DATABASE = 5;
    private static final int RELATIONS = 12;
    private static final int XLOG_NOOP = 0x20;
    private static final int XLOG_FPI = 0xB0;
    private static final int SMGR_CREATE = 0x10;
    private static final int SMGR_TRUNCATE = 0x20;
    private static final int XACT_COMMIT = 0x00;
    private static final int XACT_ABORT = 0x20;
    private static final int XACT_HAS_INFO = 0x80;
    private static final int XINFO_SUBXACTS = 2;
    private static final int XINFO_RELATIONS = 4;
    private static final int HEAP_INIT_PAGE = 0x80;
    private static final int SEQUENCE_MAGIC = 0x1717;

    /** Of what kind the pages of a relation are. */
    private enum Kind {
        RAW,
        HEAP,
        SEQUENCE
    }

    private static final List<Kind> KINDS = List.of(Kind.RAW, Kind.HEAP, Kind.SEQUENCE);

    private final Prng random;
    private final PgVersion version;
    private final ReferencePageserver reference;
    private final SimWalSource source;
    private final ByteSink out = new ByteSink(1 << 16);
    private final WalWriter wal;
    private final long startLsn;
    private final TreeMap<Integer, Kind> relations = new TreeMap<>();
    private int nextRelation = 16_384;

    /** Soon at the end of a page of transaction status. */
    private int nextXid = Slru.XACTS_PER_PAGE - 30;

    public WalWorkload(
            Prng random,
            PgVersion version,
            long startLsn,
            ReferencePageserver reference,
            SimWalSource source) {
        this.random = random;
        this.version = version;
        this.reference = reference;
        this.source = source;
        this.startLsn = startLsn;
        wal =
                new WalWriter(
                        version,
                        startLsn,
                        SimPostgres.SEGMENT_SIZE,
                        SimPostgres.SYSTEM_IDENTIFIER,
                        1,
                        startLsn - 32,
                        out);
        reference.put(Slru.CLOG, 0, startLsn, new byte[Page.SIZE]);
        for (int i = 0; i < 3; i++) {
            RelTag tag = tag(nextRelation);
            relations.put(nextRelation++, Kind.RAW);
            reference.resize(tag, i, startLsn);
            for (int block = 0; block < i; block++) {
                byte[] page = rawPage();
                Page.setLsn(page, startLsn - 8);
                reference.put(tag, block, startLsn, page);
            }
        }
    }

    private static RelTag tag(int relation) {
        return new RelTag(RelTag.DEFAULT_TABLESPACE, DATABASE, relation, RelTag.MAIN);
    }

    /** The cluster's files as they were at the start; the WAL goes on from there. */
    public SimPostgres.Backup backup() {
        TreeMap<String, byte[]> files = new TreeMap<>();
        byte[] major = (version.major() + "\n").getBytes(StandardCharsets.UTF_8);
        files.put("PG_VERSION", major);
        files.put("base/" + DATABASE + "/PG_VERSION", major);
        files.put("global/pg_control", controlFile());
        files.put("pg_xact/0000", reference.page(Slru.CLOG, 0, startLsn));
        for (int relation : relations.keySet()) {
            int blocks = reference.blocks(tag(relation), startLsn);
            if (blocks >= 0) {
                ByteSink file = new ByteSink(1);
                for (int block = 0; block < blocks; block++) {
                    file.bytes(reference.page(tag(relation), block, startLsn));
                }
                files.put("base/" + DATABASE + "/" + relation, file.toByteArray());
            }
        }
        String lsn = String.format("%X/%X", startLsn >>> 32, (int) startLsn);
        files.put(
                "backup_label",
                ("START WAL LOCATION: "
                                + lsn
                                + " (file x)\nCHECKPOINT LOCATION: "
                                + lsn
                                + "\nSTART TIMELINE: 1\n")
                        .getBytes(StandardCharsets.UTF_8));
        return new SimPostgres.Backup(startLsn, source.end(), files);
    }

    private byte[] controlFile() {
        CheckPoint c = CheckPoint.read(new byte[CheckPoint.BYTES], 0);
        c.setRedo(startLsn);
        c.setNextXid(Slru.XACTS_PER_PAGE - 30);
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

    /** Writes a record of a random kind. */
    public void write() {
        switch (random.nextInt(20)) {
            case 0, 1 -> create();
            case 2, 3, 4, 5 -> images();
            case 6, 7, 8 -> generic();
            case 9, 10, 11, 12, 13 -> heapInsert();
            case 14, 15 -> sequence();
            case 16 -> truncate();
            case 17, 18 -> finishTransaction();
            default -> {
                if (random.oneIn(8)) {
                    wal.switchSegment();
                } else {
                    wal.begin(Rmgr.XLOG, XLOG_NOOP, 0);
                    byte[] nothing = new byte[random.nextInt(1 + random.nextInt(20_000))];
                    wal.mainData(nothing);
                    wal.end();
                }
            }
        }
        publish();
    }

    private void publish() {
        source.append(out.array(), 0, out.size());
        out.clear();
    }

    private List<Integer> ofKind(Kind kind) {
        List<Integer> found = new ArrayList<>();
        relations.forEach((relation, k) -> {
            if (k == kind) {
                found.add(relation);
            }
        });
        return found;
    }

    /** A relation of that kind, or -1 if there is none. */
    private int pick(Kind kind) {
        List<Integer> all = ofKind(kind);
        return all.isEmpty() ? -1 : all.get(random.nextInt(all.size()));
    }

    private void create() {
        if (relations.size() >= RELATIONS) {
            return;
        }
        int relation = nextRelation++;
        relations.put(relation, KINDS.get(random.nextInt(KINDS.size())));
        wal.begin(Rmgr.SMGR, SMGR_CREATE, nextXid);
        wal.mainData(ints(RelTag.DEFAULT_TABLESPACE, DATABASE, relation, RelTag.MAIN));
        wal.end();
        reference.resize(tag(relation), 0, wal.position());
    }

    private static byte[] ints(int... values) {
        byte[] b = new byte[4 * values.length];
        for (int i = 0; i < values.length; i++) {
            Bytes.putI32(b, 4 * i, values[i]);
        }
        return b;
    }

    private void block(int id, int relation, int block) {
        wal.block(id, RelTag.MAIN, RelTag.DEFAULT_TABLESPACE, DATABASE, relation, block);
    }

    private int blocks(int relation) {
        return reference.blocks(tag(relation), Long.MAX_VALUE);
    }

    private byte[] page(int relation, int block) {
        return reference.page(tag(relation), block, Long.MAX_VALUE);
    }

    /** The page is this after the record just written. */
    private void changed(int relation, int block, byte[] page) {
        long lsn = wal.position();
        Page.setLsn(page, lsn);
        if (block >= blocks(relation)) {
            reference.resize(tag(relation), block + 1, lsn);
        }
        reference.put(tag(relation), block, lsn, page);
    }

    /** A page whose header is in order and whose hole is zero; all else is random. */
    private byte[] rawPage() {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, random.nextInt(2) * 16);
        int lower = Page.HEADER + 4 * random.nextInt(100);
        int upper = lower + random.nextInt(Page.upper(page) - lower + 1);
        Page.setLower(page, lower);
        Page.setUpper(page, upper);
        random.nextBytes(page, Page.HEADER, lower - Page.HEADER);
        random.nextBytes(page, upper, Page.SIZE - upper);
        return page;
    }

    /** Images of consecutive blocks, which may begin past the relation's end. */
    private void images() {
        int relation = pick(Kind.RAW);
        if (relation < 0) {
            return;
        }
        int first = random.nextInt(blocks(relation) + 3);
        int count = 1 + random.nextInt(random.oneIn(6) ? 32 : 4);
        List<byte[]> pages = new ArrayList<>();
        wal.begin(Rmgr.XLOG, XLOG_FPI, 0);
        for (int i = 0; i < count; i++) {
            byte[] page = rawPage();
            pages.add(page);
            block(i, relation, first + i);
            wal.image(page, random.nextBoolean(), true);
        }
        wal.end();
        for (int i = 0; i < count; i++) {
            changed(relation, first + i, pages.get(i));
        }
    }

    /** Pieces of up to four pages replaced. */
    private void generic() {
        int relation = pick(Kind.RAW);
        if (relation < 0 || blocks(relation) == 0) {
            return;
        }
        TreeSet<Integer> chosen = new TreeSet<>();
        for (int i = 0; i < 4; i++) {
            int block = random.nextInt(blocks(relation));
            if (!Page.isNew(page(relation, block))) {
                chosen.add(block);
            }
        }
        if (chosen.isEmpty()) {
            return;
        }
        TreeMap<Integer, byte[]> after = new TreeMap<>();
        wal.begin(Rmgr.GENERIC, 0, nextXid);
        int id = 0;
        for (int block : chosen) {
            byte[] page = page(relation, block);
            block(id++, relation, block);
            ByteSink delta = new ByteSink(256);
            int upper = Page.upper(page);
            for (int pieces = 1 + random.nextInt(3); pieces > 0 && upper < Page.SIZE; pieces--) {
                int at = upper + random.nextInt(Page.SIZE - upper);
                int length = 1 + random.nextInt(Math.min(300, Page.SIZE - at));
                random.nextBytes(page, at, length);
                delta.u16(at);
                delta.u16(length);
                delta.bytes(page, at, length);
            }
            if (random.oneIn(5)) {
                wal.image(page, true, true);
            } else {
                wal.blockData(delta.array(), 0, delta.size());
            }
            after.put(block, page);
        }
        wal.end();
        after.forEach((block, page) -> changed(relation, block, page));
    }

    /** A tuple at the end of the last page, or the first of a new one. */
    private void heapInsert() {
        int relation = pick(Kind.HEAP);
        if (relation < 0) {
            return;
        }
        byte[] data = new byte[1 + random.nextInt(random.oneIn(5) ? 3000 : 200)];
        random.nextBytes(data, 0, data.length);
        int last = blocks(relation) - 1;
        byte[] page = last < 0 ? new byte[Page.SIZE] : page(relation, last);
        int length = 23 + data.length;
        boolean fits =
                last >= 0 && Page.upper(page) - Page.lower(page) - 4 >= Page.maxAlign(length);
        int block = fits ? last : last + 1;
        if (!fits) {
            page = new byte[Page.SIZE];
            Page.init(page, 0);
        }
        int xid = nextXid;
        int number = (Page.lower(page) - Page.HEADER) / 4 + 1;
        int at = Page.upper(page) - Page.maxAlign(length);
        Page.setUpper(page, at);
        Page.setLower(page, Page.lower(page) + 4);
        Bytes.putI32(page, Page.HEADER + 4 * (number - 1), at | 1 << 15 | length << 17);
        Bytes.putI32(page, at, xid);
        Bytes.putU16(page, at + 12, block >>> 16);
        Bytes.putU16(page, at + 14, block);
        Bytes.putU16(page, at + 16, number);
        Bytes.putU16(page, at + 18, 3);
        Bytes.putU16(page, at + 20, 0x0802);
        page[at + 22] = 24;
        System.arraycopy(data, 0, page, at + 23, data.length);

        wal.begin(Rmgr.HEAP, fits ? 0 : HEAP_INIT_PAGE, xid);
        block(0, relation, block);
        if (!fits) {
            wal.willInit();
        } else if (random.oneIn(6)) {
            wal.image(page, true, true);
        }
        wal.blockData(page, at + 18, 5);
        wal.blockData(data, 0, data.length);
        byte[] main = new byte[3];
        Bytes.putU16(main, 0, number);
        wal.mainData(main);
        wal.end();
        changed(relation, block, page);
    }

    /** One page with one tuple, logged whole. */
    private void sequence() {
        int relation = pick(Kind.SEQUENCE);
        if (relation < 0) {
            return;
        }
        byte[] tuple = new byte[30 + random.nextInt(40)];
        random.nextBytes(tuple, 0, tuple.length);
        wal.begin(Rmgr.SEQ, 0, nextXid);
        block(0, relation, 0);
        wal.willInit();
        wal.mainData(ints(RelTag.DEFAULT_TABLESPACE, DATABASE, relation));
        wal.mainData(tuple);
        wal.end();
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 8);
        int at = Page.upper(page) - Page.maxAlign(tuple.length);
        Bytes.putI32(page, Page.special(page), SEQUENCE_MAGIC);
        Page.setLower(page, Page.HEADER + 4);
        Page.setUpper(page, at);
        Bytes.putI32(page, Page.HEADER, at | 1 << 15 | tuple.length << 17);
        System.arraycopy(tuple, 0, page, at, tuple.length);
        changed(relation, 0, page);
    }

    private void truncate() {
        int relation = pick(random.nextBoolean() ? Kind.RAW : Kind.HEAP);
        if (relation < 0 || blocks(relation) == 0) {
            return;
        }
        int blocks = random.nextInt(blocks(relation));
        wal.begin(Rmgr.SMGR, SMGR_TRUNCATE, nextXid);
        wal.mainData(ints(blocks, RelTag.DEFAULT_TABLESPACE, DATABASE, relation, 1));
        wal.end();
        reference.resize(tag(relation), blocks, wal.position());
    }

    /** Ends the current transaction, perhaps with subtransactions, perhaps dropping relations. */
    private void finishTransaction() {
        int xid = nextXid;
        int subxacts = random.oneIn(3) ? 1 + random.nextInt(5) : 0;
        zeroPages(xid, xid + subxacts + 1);
        nextXid = xid + subxacts + 1;
        boolean commit = !random.oneIn(4);
        List<Integer> dropped = new ArrayList<>();
        if (relations.size() > 4 && random.oneIn(2)) {
            for (int relation : relations.keySet()) {
                if (random.oneIn(6)) {
                    dropped.add(relation);
                }
            }
        }
        int xinfo = (subxacts > 0 ? XINFO_SUBXACTS : 0) | (dropped.isEmpty() ? 0 : XINFO_RELATIONS);
        ByteSink main = new ByteSink(64);
        main.i64(source.end());
        if (xinfo != 0) {
            main.i32(xinfo);
        }
        if (subxacts > 0) {
            main.i32(subxacts);
            for (int i = 1; i <= subxacts; i++) {
                main.i32(xid + i);
            }
        }
        if (!dropped.isEmpty()) {
            main.i32(dropped.size());
            for (int relation : dropped) {
                main.bytes(ints(RelTag.DEFAULT_TABLESPACE, DATABASE, relation));
            }
        }
        wal.begin(
                Rmgr.XACT,
                (commit ? XACT_COMMIT : XACT_ABORT) | (xinfo != 0 ? XACT_HAS_INFO : 0),
                xid);
        wal.mainData(main.array(), 0, main.size());
        wal.end();
        long lsn = wal.position();
        for (int x = xid; x < nextXid; x++) {
            status(x, commit ? Slru.XACT_COMMITTED : Slru.XACT_ABORTED, lsn);
        }
        for (int relation : dropped) {
            relations.remove(relation);
            reference.resize(tag(relation), -1, lsn);
        }
    }

    /** A page of transaction status begins with a record of its own. */
    private void zeroPages(int from, int to) {
        for (int xid = from; xid <= to; xid++) {
            if (xid % Slru.XACTS_PER_PAGE == 0 && xid > from) {
                int page = xid / Slru.XACTS_PER_PAGE;
                wal.begin(Rmgr.CLOG, 0, 0);
                wal.mainData(version.atLeast(PgVersion.V17) ? ints(page, 0) : ints(page));
                wal.end();
                reference.put(Slru.CLOG, page, wal.position(), new byte[Page.SIZE]);
            }
        }
    }

    private void status(int xid, int status, long lsn) {
        int page = xid / Slru.XACTS_PER_PAGE;
        byte[] content = reference.page(Slru.CLOG, page, lsn);
        int inPage = xid % Slru.XACTS_PER_PAGE;
        content[inPage / 4] |= (byte) (status << 2 * (inPage % 4));
        reference.put(Slru.CLOG, page, lsn, content);
    }
}
