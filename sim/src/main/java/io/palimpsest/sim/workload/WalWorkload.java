package io.palimpsest.sim.workload;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.LongSupplier;

/**
 * Writes a cluster's WAL, record by record, and tells the reference what each record does. Kinds:
 * page images (many blocks, gaps, with and without a hole), generic deltas, heap inserts (with and
 * without initialisation and page image), sequences, creation, truncation, commits and aborts that
 * drop relations and have subtransactions, new pages of transaction status, visibility maps,
 * databases copied and dropped, segment switches, and records without effect. Some pages get hot,
 * numbers of relations and databases that are gone are used again. Records cross pages and
 * segments, which are small.
 */
public final class WalWorkload {
    // Why this file is long: each kind of record has a method that writes it and tells what it
    // does; all of them share one cluster.
    private static final int DATABASE = 5;
    private static final int RELATIONS = 12;
    private static final int XLOG_NOOP = 0x20;
    private static final int XLOG_END_OF_RECOVERY = 0x90;
    private static final int XLOG_FPI = 0xB0;
    private static final int SMGR_CREATE = 0x10;
    private static final int SMGR_TRUNCATE = 0x20;
    private static final int XACT_COMMIT = 0x00;
    private static final int XACT_ABORT = 0x20;
    private static final int XACT_HAS_INFO = 0x80;
    private static final int XINFO_SUBXACTS = 2;
    private static final int XINFO_RELATIONS = 4;
    private static final int HEAP_INIT_PAGE = 0x80;
    private static final int INSERT_ALL_VISIBLE_CLEARED = 1;
    private static final int ALL_FORKS = 7;
    private static final int DBASE_DROP = 0x20;
    private static final int DBASE_DROP_14 = 0x10;
    private static final int SEQUENCE_MAGIC = 0x1717;

    /** Of what kind the pages of a relation are. */
    private enum Kind {
        RAW,
        HEAP,
        SEQUENCE
    }

    /** By number, so that a number that is used again is used for the same. */
    private static final List<Kind> KINDS = List.of(Kind.RAW, Kind.HEAP, Kind.RAW, Kind.SEQUENCE);

    private static final int FIRST_RELATION = 16_384;

    /** Soon at the end of a page of transaction status. */
    private static final int FIRST_XID = Slru.XACTS_PER_PAGE - 30;

    /** 2000-01-01 in milliseconds since 1970. */
    private static final long POSTGRES_EPOCH_MILLIS = 946_684_800_000L;

    private final Prng random;
    private final PgVersion version;
    private final ReferencePageserver reference;
    private final SimWalSource source;
    private final ByteSink out = new ByteSink(1 << 16);
    private final WalWriter wal;
    private final long startLsn;
    private final LongSupplier wallMillis;
    private final TreeSet<Integer> relations = new TreeSet<>();

    /** Databases that were copied. */
    private final TreeSet<Integer> copies = new TreeSet<>();

    /** By where it was so: the ends of all records. */
    private final TreeMap<Long, Integer> xids = new TreeMap<>();

    /** Where the record that ends there starts. */
    private final TreeMap<Long, Long> starts = new TreeMap<>();

    /** When that was, milliseconds since 1970. */
    private final TreeMap<Long, Long> dates = new TreeMap<>();

    private int nextRelation = FIRST_RELATION;
    private int nextXid = FIRST_XID;

    /**
     * @param wallMillis the source's date
     */
    public WalWorkload(
            Prng random,
            PgVersion version,
            long startLsn,
            ReferencePageserver reference,
            SimWalSource source,
            LongSupplier wallMillis) {
        this(random, version, startLsn, reference, source, wallMillis, 1, startLsn - 32);
    }

    private WalWorkload(
            Prng random,
            PgVersion version,
            long startLsn,
            ReferencePageserver reference,
            SimWalSource source,
            LongSupplier wallMillis,
            int timelineId,
            long previousLsn) {
        this.random = random;
        this.version = version;
        this.reference = reference;
        this.source = source;
        this.startLsn = startLsn;
        this.wallMillis = wallMillis;
        wal =
                new WalWriter(
                        version,
                        startLsn,
                        SimPostgres.SEGMENT_SIZE,
                        SimPostgres.SYSTEM_IDENTIFIER,
                        timelineId,
                        previousLsn,
                        out);
    }

    /** The cluster is new. */
    public void init() {
        reference.put(Slru.CLOG, 0, startLsn, new byte[Page.SIZE]);
        for (int i = 0; i < 3; i++) {
            int relation = FIRST_RELATION + 2 * i;
            relations.add(relation);
            reference.resize(tag(relation), i, startLsn);
            for (int block = 0; block < i; block++) {
                byte[] page = rawPage();
                Page.setLsn(page, startLsn - 8);
                reference.put(tag(relation), block, startLsn, page);
            }
        }
        nextRelation = FIRST_RELATION + 6;
    }

    /** LSNs at which a record ends. */
    public NavigableSet<Long> recordEnds() {
        return xids.navigableKeySet();
    }

    /** End of the last record that was written at that date or before, else of the first one. */
    public long lsnAt(long millis) {
        long found = startLsn;
        for (Map.Entry<Long, Long> e : dates.entrySet()) {
            if (e.getValue() > millis) {
                break;
            }
            found = e.getKey();
        }
        return found;
    }

    /**
     * The WAL of a server that was started on a branch.
     *
     * @param lsn the end of a record
     */
    public WalWorkload branch(
            Prng branchRandom, long lsn, ReferencePageserver ofBranch, SimWalSource branchSource) {
        return goesOn(
                new WalWorkload(branchRandom, version, lsn, ofBranch, branchSource, wallMillis),
                lsn,
                ofBranch);
    }

    /**
     * The WAL of a standby that was promoted: the first record says so.
     *
     * @param lsn the end of a record, which the standby's WAL ends with
     * @param timelines on which WAL timeline it goes on, and was before
     */
    public WalWorkload promoted(
            Prng itsRandom,
            long lsn,
            ReferencePageserver ofStandby,
            SimWalSource standbySource,
            WalHistory timelines) {
        WalWorkload standby =
                goesOn(
                        new WalWorkload(
                                itsRandom,
                                version,
                                lsn,
                                ofStandby,
                                standbySource,
                                wallMillis,
                                timelines.timelineId(),
                                starts.getOrDefault(lsn, startLsn - 32)),
                        lsn,
                        ofStandby);
        standby.endRecovery(timelines);
        return standby;
    }

    /** i64 time, i32 timeline, i32 the one before; since 17 i32 wal_level. */
    private void endRecovery(WalHistory timelines) {
        boolean withLevel = version.atLeast(PgVersion.V17);
        byte[] b = new byte[withLevel ? 20 : 16];
        Bytes.putI64(b, 0, (wallMillis.getAsLong() - POSTGRES_EPOCH_MILLIS) * 1000);
        Bytes.putI32(b, 8, timelines.timelineId());
        Bytes.putI32(b, 12, timelines.past().getLast().timelineId());
        if (withLevel) {
            Bytes.putI32(b, 16, 1);
        }
        wal.begin(Rmgr.XLOG, XLOG_END_OF_RECOVERY, 0);
        wal.mainData(b);
        wal.end();
        written();
    }

    /**
     * The WAL of a server that others have written to before.
     *
     * @param lsn up to where; the end of a record
     * @param ofOthers what they have written, and what comes
     */
    static WalWorkload resumed(
            Prng random,
            PgVersion version,
            long lsn,
            ReferencePageserver ofOthers,
            SimWalSource source,
            LongSupplier wallMillis,
            Counters counters) {
        WalWorkload here =
                new WalWorkload(
                        random,
                        version,
                        lsn,
                        ofOthers,
                        source,
                        wallMillis,
                        1,
                        counters.previousLsn);
        here.nextXid = counters.nextXid;
        here.nextRelation = counters.nextRelation;
        return here.goesOn(here, lsn, ofOthers);
    }

    /**
     * What a server counts.
     *
     * @param previousLsn where the last record starts
     */
    record Counters(int nextXid, int nextRelation, long previousLsn) {}

    Counters counters() {
        return new Counters(nextXid, nextRelation, wal.previousLsn());
    }

    private WalWorkload goesOn(WalWorkload branch, long lsn, ReferencePageserver ofBranch) {
        for (RelTag tag : ofBranch.relations(lsn)) {
            if (tag.db() != DATABASE) {
                branch.copies.add(tag.db());
            } else if (tag.fork() == RelTag.MAIN) {
                branch.relations.add(tag.rel());
            }
        }
        Map.Entry<Long, Integer> at = xids.floorEntry(lsn);
        branch.nextXid = at == null ? nextXid : at.getValue();
        branch.nextRelation = nextRelation;
        return branch;
    }

    private static RelTag tag(int relation) {
        return new RelTag(RelTag.DEFAULT_TABLESPACE, DATABASE, relation, RelTag.MAIN);
    }

    private static RelTag map(int relation) {
        return new RelTag(RelTag.DEFAULT_TABLESPACE, DATABASE, relation, RelTag.VM);
    }

    private static Kind kind(int relation) {
        return KINDS.get(relation % KINDS.size());
    }

    /** The cluster's files as they were at the start; the WAL goes on from there. */
    public SimPostgres.Backup backup() {
        TreeMap<String, byte[]> relationFiles = new TreeMap<>();
        for (RelTag tag : reference.relations(startLsn)) {
            ByteSink file = new ByteSink(1);
            for (int block = 0; block < reference.blocks(tag, startLsn); block++) {
                file.bytes(reference.page(tag, block, startLsn));
            }
            relationFiles.put("base/" + tag.db() + "/" + tag.rel(), file.toByteArray());
        }
        byte[] status = reference.page(Slru.CLOG, 0, startLsn);
        return new SimPostgres.Backup(
                startLsn,
                source.end(),
                BackupFiles.of(version, startLsn, FIRST_XID, DATABASE, status, relationFiles));
    }

    /** Writes a record of a random kind. */
    public void write() {
        switch (random.nextInt(24)) {
            case 0, 1 -> create();
            case 2, 3, 4, 5 -> images();
            case 6, 7, 8, 9 -> generic();
            case 10, 11, 12, 13, 14 -> heapInsert();
            case 15, 16 -> sequence();
            case 17, 18 -> truncate();
            case 19, 20 -> finishTransaction();
            case 21 -> visibilityMap();
            case 22 -> {
                if (random.oneIn(8)) {
                    database();
                } else {
                    generic();
                }
            }
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
        written();
    }

    private void written() {
        xids.put(wal.position(), nextXid);
        starts.put(wal.position(), wal.previousLsn());
        // Not again if nothing was written.
        dates.putIfAbsent(wal.position(), wallMillis.getAsLong());
        publish();
    }

    private void publish() {
        source.append(out.array(), 0, out.size());
        out.clear();
    }

    /** A relation of that kind, or -1 if there is none; often the first, whose pages get hot. */
    private int pick(Kind kind) {
        List<Integer> all = relations.stream().filter(r -> kind(r) == kind).toList();
        if (all.isEmpty()) {
            return -1;
        }
        return all.get(random.oneIn(3) ? 0 : random.nextInt(all.size()));
    }

    /** A new relation, or one whose number was in use before. */
    private void create() {
        if (relations.size() >= RELATIONS) {
            return;
        }
        int relation = nextRelation;
        if (random.nextBoolean()) {
            relation = FIRST_RELATION + random.nextInt(nextRelation - FIRST_RELATION);
        } else {
            nextRelation++;
        }
        if (!relations.add(relation)) {
            return;
        }
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
        changed(tag(relation), block, page);
    }

    private void changed(RelTag tag, int block, byte[] page) {
        long lsn = wal.position();
        Page.setLsn(page, lsn);
        if (block >= reference.blocks(tag, lsn)) {
            reference.resize(tag, block + 1, lsn);
        }
        reference.put(tag, block, lsn, page);
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
            int block = random.nextBoolean() ? 0 : random.nextInt(blocks(relation));
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
        boolean clears = random.nextBoolean();
        main[2] = (byte) (clears ? INSERT_ALL_VISIBLE_CLEARED : 0);
        wal.mainData(main);
        wal.end();
        changed(relation, block, page);
        RelTag map = map(relation);
        if (clears && reference.blocks(map, wal.position()) > 0) {
            byte[] bits = reference.page(map, 0, wal.position());
            VisibilityMap.clear(bits, block, VisibilityMap.ALL_VISIBLE | VisibilityMap.ALL_FROZEN);
            reference.put(map, 0, wal.position(), bits);
        }
    }

    /** An image of a heap's visibility map, all bits as may be. */
    private void visibilityMap() {
        int relation = pick(Kind.HEAP);
        if (relation < 0) {
            return;
        }
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 0);
        random.nextBytes(page, Page.HEADER, 40);
        wal.begin(Rmgr.XLOG, XLOG_FPI, 0);
        wal.block(0, RelTag.VM, RelTag.DEFAULT_TABLESPACE, DATABASE, relation, 0);
        wal.image(page, false, true);
        wal.end();
        changed(map(relation), 0, page);
    }

    /** A copy of the database, file by file; or one of the copies goes. */
    private void database() {
        if (!copies.isEmpty()) {
            int gone = copies.removeFirst();
            boolean walLog = version.atLeast(PgVersion.V15);
            wal.begin(Rmgr.DBASE, walLog ? DBASE_DROP : DBASE_DROP_14, nextXid);
            wal.mainData(ints(gone, 1, RelTag.DEFAULT_TABLESPACE));
            wal.end();
            reference.relations(wal.position()).stream()
                    .filter(t -> t.db() == gone)
                    .forEach(t -> reference.resize(t, -1, wal.position()));
            return;
        }
        // An oid that was in use before, now and then.
        int oid = DATABASE + 1 + random.nextInt(4);
        if (!copies.add(oid)) {
            return;
        }
        long before = wal.position();
        wal.begin(Rmgr.DBASE, 0, nextXid);
        wal.mainData(ints(oid, RelTag.DEFAULT_TABLESPACE, DATABASE, RelTag.DEFAULT_TABLESPACE));
        wal.end();
        for (RelTag from : reference.relations(before)) {
            if (from.db() == DATABASE) {
                RelTag to = new RelTag(from.spc(), oid, from.rel(), from.fork());
                int blocks = reference.blocks(from, before);
                reference.resize(to, blocks, wal.position());
                for (int block = 0; block < blocks; block++) {
                    reference.put(to, block, wal.position(), reference.page(from, block, before));
                }
            }
        }
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
        wal.mainData(ints(blocks, RelTag.DEFAULT_TABLESPACE, DATABASE, relation, ALL_FORKS));
        wal.end();
        long lsn = wal.position();
        reference.resize(tag(relation), blocks, lsn);
        RelTag map = map(relation);
        if (blocks == 0 && reference.blocks(map, lsn) > 0) {
            reference.resize(map, 0, lsn);
        } else if (reference.blocks(map, lsn) > 0) {
            byte[] bits = reference.page(map, 0, lsn);
            VisibilityMap.truncate(bits, blocks);
            reference.put(map, 0, lsn, bits);
        }
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
            for (int relation : relations) {
                if (random.oneIn(6)) {
                    dropped.add(relation);
                }
            }
        }
        int xinfo = (subxacts > 0 ? XINFO_SUBXACTS : 0) | (dropped.isEmpty() ? 0 : XINFO_RELATIONS);
        ByteSink main = new ByteSink(64);
        main.i64((wallMillis.getAsLong() - POSTGRES_EPOCH_MILLIS) * 1000);
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
            if (reference.blocks(map(relation), lsn) >= 0) {
                reference.resize(map(relation), -1, lsn);
            }
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
