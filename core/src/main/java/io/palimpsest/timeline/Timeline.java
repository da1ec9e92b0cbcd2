package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.ImageScan;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerMap;
import io.palimpsest.layer.OpenLayer;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.ReadView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One branch of a tenant's history: what is written, what is durable, what can be read.
 *
 * <p>Writing is one task's business (the WAL receiver or an import): it commits batches of
 * modifications to the open layer and then publishes the new last record LSN. An open layer that is
 * full, wide or old is frozen, and the {@link Flusher} turns it into a file; the index that names
 * the file is the commit. Readers take the layer map, an immutable snapshot, and never lock.
 *
 * <p>LSNs, never decreasing: {@code oldestReadable <= diskConsistent (once past it) <= lastRecord}.
 */
public final class Timeline {
    // Why this file is long: writer, flusher and readers meet in this one state, and its few locks
    // and volatile fields are only to be understood together.

    /** Flushing may lag behind writing by this many frozen layers; then writing waits. */
    private static final int MAX_FROZEN = 2;

    private final Environment environment;
    private final Limits limits;
    private final BlockCache cache;
    private final String directory;
    private final @Nullable Timeline ancestor;
    private final long ancestorLsn;
    private final LsnWaiter lastRecord;
    private final LsnWaiter diskConsistent;
    private final Flusher flusher;
    private final ReadPath reads;

    /** Held while a batch is appended and while the open layer is exchanged. */
    private final Monitor writing;

    private volatile TimelineIndex index;
    private volatile LayerMap layers;
    private volatile @Nullable RuntimeException failure;
    private volatile @Nullable String walEnd;
    private volatile boolean closed;
    private volatile @Nullable RedoContext redoContext;
    private OpenLayer open;
    private long openSinceNanos;
    private long openStartLsn;
    private long prevRecordLsn;

    /** LSN of the large thing that is under way, see {@link #commitPart}; 0 if none. */
    private long midway;

    private boolean freezeWanted;

    private Timeline(
            Environment environment,
            Limits limits,
            BlockCache cache,
            String directory,
            TimelineIndex index,
            @Nullable Timeline ancestor,
            List<LayerFile> files) {
        this.environment = environment;
        this.limits = limits;
        this.cache = cache;
        this.directory = directory;
        this.index = index;
        this.ancestor = ancestor;
        TimelineIndex.Ancestor origin = index.ancestor();
        this.ancestorLsn = origin == null ? 0 : origin.lsn();
        long lsn = index.diskConsistentLsn();
        this.lastRecord =
                new LsnWaiter(
                        environment.clock(), environment.tasks().monitor("last-record-lsn"), lsn);
        this.diskConsistent =
                new LsnWaiter(
                        environment.clock(),
                        environment.tasks().monitor("disk-consistent-lsn"),
                        lsn);
        this.writing = environment.tasks().monitor("timeline-write");
        this.prevRecordLsn = index.prevRecordLsn();
        this.openStartLsn = lsn + 1;
        this.open = new OpenLayer(openStartLsn);
        this.openSinceNanos = environment.clock().monotonicNanos();
        this.layers = LayerMap.of(files).with(open);
        this.flusher = new Flusher(this, environment, limits);
        this.reads = new ReadPath(this);
    }

    /**
     * A timeline that is to be filled by an import: it has no index, and so does not exist, before
     * {@link #finishImport}.
     */
    static Timeline beginImport(
            Environment environment,
            Limits limits,
            BlockCache cache,
            String directory,
            TimelineIndex index) {
        environment.disk().createDirectories(directory);
        return new Timeline(environment, limits, cache, directory, index, null, List.of());
    }

    /** Creates a branch: one small file. The ancestor must be durable up to the branch point. */
    static Timeline createBranch(
            Environment environment,
            Limits limits,
            BlockCache cache,
            String directory,
            TimelineIndex index,
            Timeline ancestor) {
        environment.disk().createDirectories(directory);
        index.commit(environment.disk(), directory);
        return new Timeline(environment, limits, cache, directory, index, ancestor, List.of());
    }

    /**
     * Opens a timeline that exists. Files the index does not name are left-overs of a crash and are
     * deleted.
     *
     * @throws PageserverException CORRUPTION if a layer that the index names is missing, cut or
     *     damaged
     */
    static Timeline load(
            Environment environment,
            Limits limits,
            BlockCache cache,
            String directory,
            TimelineIndex index,
            @Nullable Timeline ancestor) {
        Disk disk = environment.disk();
        List<LayerFile> files = new ArrayList<>();
        boolean opened = false;
        try {
            for (LayerDescriptor layer : index.layers()) {
                files.add(openLayer(disk, cache, directory, layer));
            }
            opened = true;
        } finally {
            if (!opened) {
                files.forEach(LayerFile::close);
            }
        }
        List<String> names = files.stream().map(f -> f.name().toString()).toList();
        for (String found : disk.list(directory)) {
            if (!found.equals(TimelineIndex.FILE) && !names.contains(found)) {
                environment.tracer().info("orphan-deleted", directory + "/" + found);
                disk.delete(directory + "/" + found);
            }
        }
        return new Timeline(environment, limits, cache, directory, index, ancestor, files);
    }

    private static LayerFile openLayer(
            Disk disk, BlockCache cache, String directory, LayerDescriptor layer) {
        String path = directory + "/" + layer.name();
        long found;
        try (Disk.Input input = disk.open(path)) {
            found = input.size();
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
            throw PageserverException.corruption(
                    "%s: the index names this layer, but there is no such file", path);
        }
        if (found != layer.size()) {
            throw PageserverException.corruption(
                    "%s: found %d bytes, expected %d (by the index)", path, found, layer.size());
        }
        return LayerFile.open(disk, path, layer.name(), cache);
    }

    // ---- what it is ----

    public TenantShardId tenant() {
        return index.tenant();
    }

    public TimelineId id() {
        return index.timeline();
    }

    public PgVersion version() {
        return index.version();
    }

    /** Whose WAL it is made of. */
    public WalOrigin origin() {
        return index.origin();
    }

    public long systemIdentifier() {
        return index.systemIdentifier();
    }

    public int segmentSize() {
        return index.segmentSize();
    }

    /** Postgres's timeline id that the WAL is on. */
    public int walTimeline() {
        return index.walTimeline();
    }

    public @Nullable Timeline ancestor() {
        return ancestor;
    }

    /** Where it branched off, 0 for a root. */
    public long ancestorLsn() {
        return ancestorLsn;
    }

    public long lastRecordLsn() {
        return lastRecord.lsn();
    }

    public long diskConsistentLsn() {
        return diskConsistent.lsn();
    }

    /** Reads and branches below are refused: history starts here. */
    public long oldestReadableLsn() {
        return index.oldestReadableLsn();
    }

    /** Bytes of its own layer files. */
    public long layerBytes() {
        long sum = 0;
        for (LayerDescriptor layer : index.layers()) {
            sum += layer.size();
        }
        return sum;
    }

    public int layerCount() {
        return index.layers().size();
    }

    /** Why nothing is written any more, or null. Reads of what is there go on. */
    public @Nullable RuntimeException failure() {
        return failure;
    }

    TimelineIndex index() {
        return index;
    }

    LayerMap layers() {
        return layers;
    }

    String directory() {
        return directory;
    }

    BlockCache cache() {
        return cache;
    }

    Environment environment() {
        return environment;
    }

    // ---- reading ----

    /**
     * The LSN that a request reads at: R &lt; M or R = 0 is BAD_REQUEST, R below the oldest
     * readable LSN is LSN_OUT_OF_RANGE; else min(R, last record), and if M is not there yet, M
     * after waiting for it, or LSN_TIMEOUT.
     */
    public long effectiveLsn(long requestLsn, long notModifiedSince) {
        if (requestLsn == 0 || Long.compareUnsigned(requestLsn, notModifiedSince) < 0) {
            throw PageserverException.badRequest(
                    "request LSN %s, not modified since %s: expected a valid request LSN at or above the other",
                    Lsn.toString(requestLsn), Lsn.toString(notModifiedSince));
        }
        long last = lastRecord.lsn();
        long lsn;
        if (Long.compareUnsigned(notModifiedSince, last) > 0) {
            waitFor(notModifiedSince);
            lsn = notModifiedSince;
        } else {
            lsn = Long.compareUnsigned(requestLsn, last) < 0 ? requestLsn : last;
        }
        checkReadable(lsn);
        return lsn;
    }

    private void checkReadable(long lsn) {
        if (Long.compareUnsigned(lsn, oldestReadableLsn()) < 0) {
            throw PageserverException.of(
                    ErrorCode.LSN_OUT_OF_RANGE,
                    "LSN %s is before the history of timeline %s: the oldest readable LSN is %s, the latest %s",
                    Lsn.toString(lsn),
                    id(),
                    Lsn.toString(oldestReadableLsn()),
                    Lsn.toString(lastRecordLsn()));
        }
    }

    /**
     * Waits until WAL up to {@code lsn} is there; not at all if it is known that none will come.
     */
    public void waitFor(long lsn) {
        if (lsn >= 0 && lastRecord.await(lsn, limits.waitLsnNanos())) {
            return;
        }
        if (closed) {
            throw PageserverException.of(
                    ErrorCode.SHUTTING_DOWN, "timeline %s is shutting down", id());
        }
        String end = walEnd;
        if (end != null) {
            throw PageserverException.of(
                    ErrorCode.LSN_TIMEOUT,
                    "LSN %s of timeline %s will not come: WAL has arrived up to %s, and its source is broken: %s",
                    Lsn.toString(lsn),
                    id(),
                    Lsn.toString(lastRecordLsn()),
                    end);
        }
        throw PageserverException.of(
                ErrorCode.LSN_TIMEOUT,
                "timed out after %d s waiting for LSN %s of timeline %s: WAL has arrived up to %s; is the source running?",
                limits.waitLsnNanos() / 1_000_000_000L,
                Lsn.toString(lsn),
                id(),
                Lsn.toString(lastRecordLsn()));
    }

    /** Number of blocks, or -1 if the fork does not exist at that LSN. */
    public int relationBlocks(RelTag tag, long lsn) {
        return reads.size(
                Keys.hi(Keys.REL_SIZE, tag.spc()),
                Keys.mid(tag.db(), tag.rel()),
                Keys.lo(tag.fork(), 0),
                lsn);
    }

    /**
     * Writes the page to {@code into[at .. at+8192)}; zeros past the relation's end; NOT_FOUND if
     * there is no such fork.
     */
    public void readPage(RelTag tag, int block, long lsn, byte[] into, int at) {
        int blocks = relationBlocks(tag, lsn);
        if (blocks < 0) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND,
                    "relation %s does not exist at %s",
                    tag,
                    Lsn.toString(lsn));
        }
        if (Integer.compareUnsigned(block, blocks) >= 0) {
            Arrays.fill(into, at, at + Page.SIZE, (byte) 0);
            return;
        }
        reads.page(
                Keys.hi(Keys.REL_BLOCK, tag.spc()),
                Keys.mid(tag.db(), tag.rel()),
                Keys.lo(tag.fork(), block),
                lsn,
                into,
                at);
    }

    /**
     * As {@link #readPage} of a page within its relation, if all that takes is in memory and little
     * work: never waits for a disk or a lock.
     *
     * @return false if it takes more, or if {@link #readPage} would fail; then {@code into} is
     *     undefined
     */
    public boolean tryReadPage(RelTag tag, int block, long lsn, byte[] into, int at) {
        RedoContext known = redoContext;
        if (known == null) {
            return false;
        }
        long mid = Keys.mid(tag.db(), tag.rel());
        int blocks =
                reads.trySize(
                        Keys.hi(Keys.REL_SIZE, tag.spc()), mid, Keys.lo(tag.fork(), 0), lsn, known);
        return blocks >= 0
                && Integer.compareUnsigned(block, blocks) < 0
                && reads.tryPage(
                        Keys.hi(Keys.REL_BLOCK, tag.spc()),
                        mid,
                        Keys.lo(tag.fork(), block),
                        lsn,
                        into,
                        at,
                        known);
    }

    /** Pages in an SLRU segment, or -1 if it does not exist. */
    public int slruBlocks(Slru slru, int segment, long lsn) {
        return reads.size(Keys.hi(Keys.SLRU_SIZE, slru.number()), Keys.mid(0, segment), 0, lsn);
    }

    /** Writes one page of an SLRU segment that exists. */
    public void readSlruPage(Slru slru, int segment, int page, long lsn, byte[] into, int at) {
        reads.page(
                Keys.hi(Keys.SLRU_BLOCK, slru.number()),
                Keys.mid(0, segment),
                Keys.lo(0, page),
                lsn,
                into,
                at);
    }

    /**
     * The page under a REL_BLOCK or SLRU_BLOCK key, without asking whether it is within its
     * relation.
     */
    public void readPageUnderKey(Key key, long lsn, byte[] into, int at) {
        reads.page(key.hi(), key.mid(), key.lo(), lsn, into, at);
    }

    /** Directories as of an LSN (see {@link Keys}). */
    public ReadView viewAt(long lsn) {
        return new ReadView() {
            @Override
            public byte @Nullable [] image(Key key) {
                return reads.image(key.hi(), key.mid(), key.lo(), lsn);
            }

            @Override
            public void scan(KeyRange range, Visitor visitor) {
                ImageScan scan = new ImageScan();
                reads.scan(range, lsn, scan);
                scan.forEach(visitor);
            }
        };
    }

    /** The same as of the newest committed record, whichever that is at the moment of each call. */
    public ReadView latest() {
        return new ReadView() {
            @Override
            public byte @Nullable [] image(Key key) {
                return viewAt(Long.MAX_VALUE).image(key);
            }

            @Override
            public void scan(KeyRange range, Visitor visitor) {
                viewAt(Long.MAX_VALUE).scan(range, visitor);
            }
        };
    }

    /** What redo must know of the cluster; a new object when it changes. */
    RedoContext redoContext() {
        RedoContext context = redoContext;
        if (context == null) {
            byte[] control = viewAt(Long.MAX_VALUE).image(Keys.CONTROL_FILE);
            context =
                    new RedoContext(
                            version(),
                            origin(),
                            control != null
                                    && ControlFile.parse(control, version()).hintBitsLogged());
            redoContext = context;
        }
        return context;
    }

    /** The control file has changed: look again. */
    void redoContextChanged() {
        redoContext = null;
    }

    // ---- writing: one task ----

    /** Start of the last record, 0 if not known. */
    long prevRecordLsn() {
        return prevRecordLsn;
    }

    /** No more WAL will come, for this reason: who asks for later LSNs need not wait. */
    void endWal(String why) {
        walEnd = why;
        lastRecord.end();
    }

    /**
     * Takes what records up to {@code endLsn} changed, and makes it readable. May wait for the
     * flusher.
     *
     * @param recordStart where the last of the records starts
     */
    public void commit(Modifications m, long recordStart, long endLsn) {
        checkWritable();
        Check.that(endLsn >= lastRecord.lsn(), "commit at %x behind %x", endLsn, lastRecord.lsn());
        boolean full;
        writing.lock();
        try {
            append(m);
            prevRecordLsn = recordStart;
            lastRecord.advance(endLsn);
            midway = 0;
            full =
                    freezeWanted
                            || open.bytes() >= limits.openLayerBytes()
                            || endLsn - openStartLsn >= limits.flushDistance();
        } finally {
            writing.unlock();
        }
        if (full) {
            freeze();
        } else {
            flushIfOld();
        }
    }

    /**
     * A part of something large that takes effect at {@code lsn}, ahead of the last record:
     * readable only with the {@link #commit} of that LSN, but flushed as it grows, as image layers
     * that nothing names before that commit is flushed. Images only, each key at most once in all
     * parts.
     */
    void commitPart(Modifications m, long lsn) {
        checkWritable();
        if (midway == 0) {
            freeze();
        }
        writing.lock();
        try {
            append(m);
            midway = lsn;
            if (open.bytes() >= limits.openLayerBytes()) {
                exchangeOpen(new LsnRange(lsn, lsn + 1), false);
            }
        } finally {
            writing.unlock();
        }
        flusher.awaitFewerThan(MAX_FROZEN);
        checkWritable();
    }

    private void append(Modifications m) {
        try {
            open.append(m, 0, m.count());
        } catch (RuntimeException e) {
            // A part of it may be in: this open layer must never be flushed.
            fail(e);
            throw e;
        }
    }

    /**
     * Ends an import, which was done in parts at {@code startLsn}: all durable, then the index, and
     * the timeline exists.
     */
    void finishImport(long startLsn, long readableLsn, int walTimeline) {
        flusher.awaitFewerThan(1);
        index = index.readable(readableLsn, walTimeline);
        commit(new Modifications(), index.prevRecordLsn(), startLsn);
        flushUpTo(startLsn);
    }

    /**
     * Does what {@link Modifications.DatabaseCopy} asks for: every page and size of the source as
     * of the last committed record, in bounded steps, at the copy's LSN; the caller then commits
     * that LSN.
     */
    void copyDatabase(Modifications.DatabaseCopy copy) {
        DatabaseCopier.copy(this, copy, limits.ingestBatchBytes());
    }

    /** Freezes the open layer if its oldest value is older than the limit says. */
    void flushIfOld() {
        if (!open.isEmpty()
                && environment.clock().monotonicNanos() - openSinceNanos
                        >= limits.flushAgeNanos()) {
            freeze();
        }
    }

    /** Hands what is in the open layer to the flusher; waits while that is too far behind. */
    private void freeze() {
        writing.lock();
        try {
            // In the middle of something large the next commit does it.
            freezeWanted = midway != 0;
            long last = lastRecord.lsn();
            if (freezeWanted || last < openStartLsn) {
                return;
            }
            exchangeOpen(new LsnRange(openStartLsn, last + 1), true);
            openStartLsn = last + 1;
        } finally {
            writing.unlock();
        }
        flusher.awaitFewerThan(MAX_FROZEN);
        checkWritable();
    }

    private void exchangeOpen(LsnRange lsns, boolean commits) {
        flusher.add(new Flusher.Frozen(open, lsns, lastRecord.lsn(), prevRecordLsn, commits));
        open = new OpenLayer(commits ? lsns.end() : lsns.start());
        openSinceNanos = environment.clock().monotonicNanos();
        layers = layers.with(open);
    }

    /** Waits until everything up to {@code lsn} (at most the last record) is durable. */
    public void flushUpTo(long lsn) {
        if (diskConsistent.lsn() < lsn) {
            freeze();
        }
        while (!diskConsistent.await(lsn, 1_000_000_000L)) {
            checkWritable();
        }
    }

    private void checkWritable() {
        RuntimeException f = failure;
        if (f != null) {
            throw new PageserverException(
                    ErrorCode.IO, "timeline " + id() + " takes no more WAL: " + f.getMessage(), f);
        }
        if (closed) {
            throw PageserverException.of(
                    ErrorCode.SHUTTING_DOWN, "timeline %s is shutting down", id());
        }
    }

    // ---- called by the flusher ----

    /**
     * Publishes what a flush has made durable: the file in place of the frozen layer, and the
     * index.
     */
    void flushed(Flusher.Frozen frozen, @Nullable LayerFile file, TimelineIndex newIndex) {
        writing.lock();
        try {
            index = newIndex;
            layers = layers.flushed(frozen.layer(), file == null ? List.of() : List.of(file));
        } finally {
            writing.unlock();
        }
        if (frozen.commits()) {
            diskConsistent.advance(newIndex.diskConsistentLsn());
        }
    }

    void fail(RuntimeException why) {
        failure = why;
        environment
                .tracer()
                .error(
                        "timeline-stopped",
                        "timeline " + id() + " takes no more WAL: " + why.getMessage());
        diskConsistent.wake();
    }

    /** Makes durable what has arrived, then {@link #close}. */
    public void shutDown() {
        try {
            if (failure == null) {
                flushUpTo(lastRecord.lsn());
            }
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .warn("flush-at-stop-failed", "timeline " + id() + ": " + e.getMessage());
        }
        close();
    }

    /**
     * Stops writing, lets waiting readers go with an error, closes the files. What is not flushed
     * is fetched again.
     */
    void close() {
        closed = true;
        lastRecord.end();
        diskConsistent.wake();
        flusher.stop();
        layers.files().forEach(LayerFile::close);
    }
}
