package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.compaction.CollectionPlan;
import io.palimpsest.compaction.GcPlanner;
import io.palimpsest.compaction.LayerInventory;
import io.palimpsest.compaction.Retention;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerMap;
import io.palimpsest.layer.LayerName;
import io.palimpsest.layer.ReadTrace;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Marker;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.ReadView;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * One branch of a tenant's history: what is written, what is durable, what can be read.
 *
 * <p>Writing is one task's business (the WAL receiver or an import), see {@link TimelineWriter};
 * the {@link Flusher} turns what was written into files, and {@link TimelineLayers} commits them.
 * Readers take the layer map, an immutable snapshot, and never lock. How far back they may read is
 * the {@link HistoryWindow}'s to say.
 *
 * <p>LSNs, never decreasing: {@code oldestReadable <= diskConsistent (once past it) <= lastRecord}.
 */
public final class Timeline {
    // Why this file is long: it is a timeline's one face to everybody; what it does is done by the
    // classes whose fields follow, and most methods here are a line.
    private final Surroundings surroundings;
    private final String directory;
    private final LsnWaiter lastRecord;
    private final LsnWaiter diskConsistent;
    private final TimelineLayers layers;
    private final HistoryWindow window;
    private final Flusher flusher;
    private final TimelineWriter writer;
    private final ReadPath reads;
    private final CommitLog commits;
    private final GuardedReads guarded;
    private final LsnRequests requests;
    private final @Nullable RemoteTimeline remote;
    private volatile @Nullable BranchPoint branchPoint;
    private volatile @Nullable RuntimeException failure;
    private volatile boolean closed;
    private volatile @Nullable RedoContext redoContext;

    private Timeline(
            Surroundings surroundings,
            String directory,
            TimelineIndex index,
            @Nullable Timeline ancestor,
            List<LayerFile> files,
            @Nullable RemoteTimeline remote) {
        this.surroundings = surroundings;
        this.remote = remote;
        this.directory = directory;
        TimelineIndex.Ancestor hangsOn = index.ancestor();
        branchPoint =
                ancestor == null || hangsOn == null
                        ? null
                        : new BranchPoint(ancestor, hangsOn.lsn());
        long lsn = index.diskConsistentLsn();
        Environment environment = surroundings.environment();
        lastRecord = new LsnWaiter(environment, "last-record-lsn", lsn);
        diskConsistent = new LsnWaiter(environment, "disk-consistent-lsn", lsn);
        layers = new TimelineLayers(this, surroundings, directory, index, files, remote);
        commits = new CommitLog(this);
        window = new HistoryWindow(this, layers, commits);
        flusher = new Flusher(this, environment, surroundings.limits());
        SizeChanges sizeChanges = new SizeChanges(lsn);
        writer = new TimelineWriter(this, surroundings, layers, lastRecord, flusher, sizeChanges);
        reads = new ReadPath(this);
        guarded =
                new GuardedReads(
                        reads,
                        window,
                        new RelationSizes(surroundings.sizes(), sizeChanges, lastRecord));
        requests = new LsnRequests(this, lastRecord, window);
    }

    /**
     * A timeline that is to be filled by an import: it has no index, and so does not exist, before
     * {@link #finishImport}.
     */
    static Timeline beginImport(
            Surroundings surroundings,
            String directory,
            TimelineIndex index,
            @Nullable RemoteTimeline remote) {
        surroundings.disk().createDirectories(directory);
        return new Timeline(surroundings, directory, index, null, List.of(), remote);
    }

    /**
     * Creates a branch: one small file. The ancestor must be durable up to the branch point, which
     * it keeps from now on.
     *
     * @throws PageserverException LSN_OUT_OF_RANGE if it does not have it any more
     */
    static Timeline createBranch(
            Surroundings surroundings,
            String directory,
            TimelineIndex index,
            Timeline ancestor,
            @Nullable RemoteTimeline remote) {
        ancestor.window.takeBranchPoint(index.diskConsistentLsn());
        boolean made = false;
        try {
            surroundings.disk().createDirectories(directory);
            index.commit(surroundings.disk(), directory);
            made = true;
        } catch (PageserverException e) {
            if (TimelineLayers.isFull(e)) {
                surroundings.disk().deleteTree(directory);
            }
            throw e;
        } finally {
            if (!made) {
                ancestor.window.releaseBranchPoint(index.diskConsistentLsn());
            }
        }
        return new Timeline(surroundings, directory, index, ancestor, List.of(), remote);
    }

    /**
     * Opens a timeline that exists; its branch point counts for the ancestor from now on. Layer
     * files are not opened: one that is missing, cut or damaged fails the reads that need it. Files
     * the index does not name are left-overs of a crash and are deleted.
     */
    static Timeline load(
            Surroundings surroundings,
            String directory,
            TimelineIndex index,
            @Nullable Timeline ancestor,
            @Nullable RemoteTimeline remote) {
        TimelineIndex.Ancestor origin = index.ancestor();
        if (ancestor != null && origin != null) {
            // First of all: it is needed whether this opens or not.
            ancestor.window.keepBranchPoint(origin.lsn());
        }
        List<LayerFile> files = TimelineLayers.load(surroundings, directory, index, remote);
        return new Timeline(surroundings, directory, index, ancestor, files, remote);
    }

    // ---- what it is ----

    public TenantShardId tenant() {
        return index().tenant();
    }

    /** Whom events are about. */
    public Subject subject() {
        TimelineIndex now = index();
        BranchProperties.Title title = now.properties().title();
        return new Subject(
                now.tenant(), now.timeline(), title == null ? null : title.label().text());
    }

    public TimelineId id() {
        return index().timeline();
    }

    public PgVersion version() {
        return index().identity().version();
    }

    /** Whose WAL it is made of. */
    public WalOrigin origin() {
        return index().identity().origin();
    }

    public long systemIdentifier() {
        return index().identity().systemIdentifier();
    }

    public int segmentSize() {
        return index().identity().segmentSize();
    }

    /** Postgres's timeline id that the WAL is on. */
    public int walTimeline() {
        return index().identity().walTimeline();
    }

    /** Which of Postgres's timelines its WAL is on, and was. */
    public WalHistory walHistory() {
        return index().identity().wal();
    }

    public @Nullable Timeline ancestor() {
        BranchPoint at = branchPoint;
        return at == null ? null : at.ancestor();
    }

    @Nullable BranchPoint branchPoint() {
        return branchPoint;
    }

    /** Where it branched off, 0 for a root. */
    public long ancestorLsn() {
        BranchPoint at = branchPoint;
        return at == null ? 0 : at.lsn();
    }

    /** Up to where its history is a former ancestor's, 0 if there was none. */
    public long adoptedLsn() {
        List<Long> adopted = index().adopted();
        return adopted.isEmpty() ? 0 : adopted.getLast();
    }

    public TimelineState state() {
        return index().state();
    }

    /** Why no WAL is taken at the moment, though it will be when the disk has room; or null. */
    public @Nullable String diskFull() {
        return flusher.diskFull();
    }

    public long lastRecordLsn() {
        return lastRecord.lsn();
    }

    public long diskConsistentLsn() {
        return diskConsistent.lsn();
    }

    /**
     * What the source of WAL need not keep for us: what the machine has lost comes back from there.
     * With a store that is what is in it, else what is on the disk.
     */
    public long safeLsn() {
        RemoteTimeline r = remote;
        return r == null ? diskConsistent.lsn() : r.consistentLsn();
    }

    /** What is in the store for good; -1 without one. */
    public long remoteConsistentLsn() {
        RemoteTimeline r = remote;
        return r == null ? -1 : r.consistentLsn();
    }

    /** Bytes of layers that are not in the store yet; 0 without one. */
    public long uploadLagBytes() {
        RemoteTimeline r = remote;
        return r == null ? 0 : r.lagBytes(index());
    }

    /**
     * What putting something into the store failed with the last time, if it was the last thing.
     */
    public @Nullable String uploadError() {
        RemoteTimeline r = remote;
        return r == null ? null : r.lastError();
    }

    /** The half in the store, or null without one. */
    @Nullable RemoteTimeline remote() {
        return remote;
    }

    /**
     * Waits until {@link #safeLsn} is at least that; false if it takes longer. Everything up to it
     * must be durable.
     */
    public boolean awaitSafe(long lsn, long nanos) {
        RemoteTimeline r = remote;
        return r == null || r.await(lsn, nanos);
    }

    /**
     * With a store, waits while so much is not in it that no more WAL is to be taken.
     *
     * @return false if that is so still, after the time given
     */
    boolean awaitRoomInStore(long nanos) {
        RemoteTimeline r = remote;
        return r == null || r.awaitRoom(lastRecord.lsn(), nanos);
    }

    /** With a store, waits until that knows the state that the timeline is in. */
    public void awaitStateStored() {
        RemoteTimeline r = remote;
        if (r != null) {
            TimelineState wanted = state();
            r.awaitStored(index -> index.state().equals(wanted));
        }
    }

    /** Reads and branches below are refused: history starts here. */
    public long oldestReadableLsn() {
        return window.cutoff();
    }

    /** Bytes of its own layer files. */
    public long layerBytes() {
        long sum = 0;
        for (LayerDescriptor layer : index().layers()) {
            sum += layer.size();
        }
        return sum;
    }

    /** Bytes of its own layer files that are on the disk. */
    public long residentBytes() {
        return layers.residentBytes();
    }

    /** Layer files on the disk that the store has for sure. */
    public List<LayerFile> hotLayers() {
        return layers.droppable();
    }

    /** Layer files on the disk that need not be there. */
    public List<Droppable> droppable() {
        List<LayerFile> files = layers.droppable();
        if (files.isEmpty()) {
            return List.of();
        }
        TreeSet<LayerName> covered = new TreeSet<>(TimelineIndex.BY_NAME);
        GcPlanner.garbage(inventory(), window.ends(lastRecord.lsn()))
                .forEach(layer -> covered.add(layer.name()));
        return files.stream().map(f -> new Droppable(f, covered.contains(f.name()))).toList();
    }

    /** Its layer files that come from the store when they are read. */
    public List<LayerFile> layersNotHere() {
        return layers.map().files().stream().filter(file -> !file.resident()).toList();
    }

    /** Its layer file of that name, or null. */
    public @Nullable LayerFile layerFile(LayerName name) {
        return layers.map().file(name);
    }

    public int layerCount() {
        return index().layers().size();
    }

    /** Why nothing is written any more, or null. Reads of what is there go on. */
    public @Nullable RuntimeException failure() {
        return failure;
    }

    TimelineIndex index() {
        return layers.index();
    }

    /** The layers at this moment. */
    LayerMap layers() {
        return layers.map();
    }

    /** Reading without asking whether that history may be read. */
    ReadPath reads() {
        return reads;
    }

    String directory() {
        return directory;
    }

    BlockCache cache() {
        return surroundings.cache();
    }

    public Clock clock() {
        return environment().clock();
    }

    Environment environment() {
        return surroundings.environment();
    }

    Limits limits() {
        return surroundings.limits();
    }

    public TenantConfig config() {
        return surroundings.configs().of(tenant());
    }

    // ---- what this server is to the tenant ----

    /** Does this server own the tenant? Else layers are left as they are. */
    public boolean owned() {
        RemoteTimeline r = remote;
        return r == null || r.tenant().mode().owns();
    }

    /** Is history collected? Not while a former owner may still be read at. */
    public boolean collects() {
        RemoteTimeline r = remote;
        return r == null || r.tenant().mode().deletes();
    }

    /**
     * Waits until the store has all that the disk has, for that long at most; without a store never
     * true.
     */
    public boolean awaitStored(long nanos) {
        RemoteTimeline r = remote;
        return r != null && r.awaitStored(index(), nanos);
    }

    // ---- for background work ----

    /**
     * Does history that is not in its own layers count? Then a key that a complete image lacks may
     * still have a value below.
     */
    boolean hasAncestor() {
        return branchPoint != null || !index().adopted().isEmpty();
    }

    /** What must stay readable, as of now, and for whatever is done by it later. */
    public Retention retention() {
        return window.retention();
    }

    /** Where the cutoff may move to by policy; where it is, if it is to stay. May block. */
    public long planCutoff() {
        return window.planCutoff();
    }

    /** What a garbage collection by policy would do now. May block. */
    public CollectionPlan planCollection() {
        return CollectionPlan.of(inventory(), window.retention(planCutoff()));
    }

    /** It is not known what a branch of this tenant needs: nothing may be collected. */
    public void blockCollection(String why) {
        window.block(why);
    }

    /** Why nothing may be collected, or null. */
    public @Nullable String collectionBlocked() {
        return window.blocked();
    }

    /**
     * Moves the cutoff forward, durably, and lets go of leases whose time is over: to be done
     * before what is below is collected.
     *
     * @return false if it did not move: not forward, past what is durable, or collection is blocked
     */
    public boolean advanceCutoff(long to) {
        return window.advanceCutoff(to);
    }

    /**
     * The layers that the index on disk names, to plan with; they are in the map. May wait until a
     * commit is done.
     */
    public LayerInventory inventory() {
        return layers.inventory();
    }

    /** Bytes of the layers of all its ancestors, those past the branch points, too. */
    public long inheritedBytes() {
        long bytes = 0;
        for (Timeline t = ancestor(); t != null; t = t.ancestor()) {
            bytes += t.layerBytes();
        }
        return bytes;
    }

    /** Layers that background work goes on without; reads do not. */
    public DamagedLayers damaged() {
        return layers.damaged();
    }

    /** L0 layers, each of which every read looks into. */
    public long l0Count() {
        return layers().l0Count();
    }

    Housekeeping housekeeping() {
        return surroundings.housekeeping();
    }

    /** The layers that the index on disk names. */
    public List<LayerDescriptor> durableLayers() {
        return index().layers();
    }

    /** The file of a layer in the current map; NOT_FOUND if it is not there any more. */
    LayerFile layer(LayerDescriptor layer) {
        LayerFile found = layers.file(layer);
        if (found == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "timeline %s has no layer %s", id(), layer.name());
        }
        return found;
    }

    /**
     * Puts layers in the place of others: the commit of all background work. The files added are
     * durable, names included, and taken over, even if this fails; those removed are deleted.
     */
    void replaceLayers(Collection<LayerFile> removed, Collection<LayerFile> added) {
        layers.replace(removed, added);
    }

    String layerPath(LayerName name) {
        return layers.path(name);
    }

    /**
     * A name for a file that is being written, of nobody else's; left-overs are deleted at load.
     */
    String temporaryPath() {
        return layers.temporaryPath();
    }

    // ---- reading ----

    /**
     * The LSN that a request reads at: R &lt; M or R = 0 is BAD_REQUEST, R below the oldest
     * readable LSN is LSN_OUT_OF_RANGE; else min(R, last record), and if M is not there yet, M
     * after waiting for it, or LSN_TIMEOUT.
     */
    public long effectiveLsn(long requestLsn, long notModifiedSince) {
        return requests.effectiveLsn(requestLsn, notModifiedSince);
    }

    /** The same if it takes neither waiting nor a failure; else 0. */
    public long tryEffectiveLsn(long requestLsn, long notModifiedSince) {
        return requests.tryEffectiveLsn(requestLsn, notModifiedSince);
    }

    /**
     * Keeps an LSN readable for as long as the tenant's configuration says, also if the cutoff
     * passes it. Again: for longer. What is returned is promised: with a store, the store has it,
     * and every server that owns the tenant after this one keeps it.
     *
     * @return until when, milliseconds since 1970
     * @throws PageserverException LSN_OUT_OF_RANGE if it is not readable, or has not come yet;
     *     UNAVAILABLE if the store does not take it in time; PRECONDITION_FAILED if another server
     *     has the tenant by now
     */
    public long lease(long lsn) {
        return window.lease(lsn);
    }

    /**
     * Takes a lease back before its time: what it alone has kept may be collected from now on.
     * Whoever still reads there is refused then, and one who renews it has it again.
     *
     * @return was there one?
     */
    public boolean dropLease(long lsn) {
        return window.drop(lsn);
    }

    /** The same for work of this server's own, which ends with it: without asking the store. */
    public long keep(long lsn) {
        return window.keep(lsn);
    }

    /** Leases held, expired ones too until the cutoff moves: LSN and end, ms since 1970. */
    public List<Lease> leases() {
        return index().leases();
    }

    /** What people say of it. */
    public BranchProperties properties() {
        return index().properties();
    }

    /** May its history be read as of exactly that LSN? */
    public boolean readable(long lsn) {
        return window.readable(lsn);
    }

    /** What a moment is as an LSN, in microseconds since 2000. May block. */
    public LsnAtTime lsnByTimestamp(long micros) {
        return commits.around(micros);
    }

    /**
     * How a transaction ended. May block.
     *
     * @param xid as pg_current_xact_id() says it, or its low half only
     */
    public TransactionEnd transaction(long xid) {
        return new TransactionSearch(this, commits).find(xid);
    }

    /**
     * The markers below an LSN, ancestors' included, the newest first, until the visitor has had
     * enough. May block.
     */
    public void markers(long below, Predicate<Marker> visitor) {
        MarkerLog log = new MarkerLog(this, below);
        do {
            for (Marker marker : log.next()) {
                if (!visitor.test(marker)) {
                    return;
                }
            }
        } while (log.more());
    }

    /** Whose history an LSN is: its own, or an ancestor's if it is below the branch point. */
    public Timeline holderOf(long lsn) {
        Timeline t = this;
        for (Timeline up = t.ancestor();
                up != null && Long.compareUnsigned(lsn, t.ancestorLsn()) < 0;
                up = t.ancestor()) {
            t = up;
        }
        return t;
    }

    /** The oldest LSN from which on all history up to its end may be read, in ancestors too. */
    public long oldestReachableLsn() {
        Timeline t = this;
        for (Timeline up = t.ancestor();
                up != null
                        && t.oldestReadableLsn() <= t.ancestorLsn()
                        && up.oldestReadableLsn() < t.ancestorLsn();
                up = t.ancestor()) {
            t = up;
        }
        return t.oldestReadableLsn();
    }

    /**
     * When the last commit at or below a readable LSN was, in microseconds since 2000; empty if no
     * commit is known. May block.
     */
    public OptionalLong timestampByLsn(long lsn) {
        return window.timestamp(lsn);
    }

    /**
     * Waits until WAL up to {@code lsn} is there; not at all if it is known that none will come.
     */
    public void waitFor(long lsn) {
        requests.waitFor(lsn);
    }

    /** Waits for that WAL for so long at most; false if it has not come by then. */
    public boolean awaitArrived(long lsn, long nanos) {
        return requests.await(lsn, nanos);
    }

    /** Number of blocks, or -1 if the fork does not exist at that LSN. */
    public int relationBlocks(RelTag tag, long lsn) {
        return guarded.size(
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
            throw GuardedReads.noRelation(tag, lsn);
        }
        if (Integer.compareUnsigned(block, blocks) >= 0) {
            Arrays.fill(into, at, at + Page.SIZE, (byte) 0);
            return;
        }
        guarded.page(
                Keys.hi(Keys.REL_BLOCK, tag.spc()),
                Keys.mid(tag.db(), tag.rel()),
                Keys.lo(tag.fork(), block),
                lsn,
                into,
                at);
    }

    /** Pages of a batch that {@link #readPages} takes, about. */
    public int batchPages() {
        return limits().batchPages();
    }

    /**
     * As {@link #readPage} of each page of the batch, which is used up, with less work. At the
     * first failure it ends, and what was read is undefined: which page it is of, the pages one by
     * one tell.
     */
    public void readPages(PageBatch batch, byte[] into) {
        guarded.pages(batch, into);
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
        return known != null && guarded.tryPage(tag, block, lsn, into, at, known);
    }

    /** Pages in an SLRU segment, or -1 if it does not exist. */
    public int slruBlocks(Slru slru, int segment, long lsn) {
        return guarded.size(Keys.hi(Keys.SLRU_SIZE, slru.number()), Keys.mid(0, segment), 0, lsn);
    }

    /** Writes one page of an SLRU segment that exists. */
    public void readSlruPage(Slru slru, int segment, int page, long lsn, byte[] into, int at) {
        guarded.page(
                Keys.hi(Keys.SLRU_BLOCK, slru.number()),
                Keys.mid(0, segment),
                Keys.lo(0, page),
                lsn,
                into,
                at);
    }

    /**
     * The page under a REL_BLOCK or SLRU_BLOCK key, without asking whether it is within its
     * relation, or whether that history may be read.
     */
    public void readPageUnderKey(Key key, long lsn, byte[] into, int at) {
        reads.page(key.hi(), key.mid(), key.lo(), lsn, into, at);
    }

    /** The same, telling which layers were asked and what they gave. */
    public void readPageUnderKey(Key key, long lsn, byte[] into, int at, ReadTrace trace) {
        guarded.page(key, lsn, into, at, trace);
    }

    /** Directories as of an LSN (see {@link Keys}). */
    public ReadView viewAt(long lsn) {
        return new TimelineView(guarded, lsn);
    }

    /** The same as of the newest committed record, whichever that is at the moment of each call. */
    public ReadView latest() {
        return viewAt(Long.MAX_VALUE);
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
    public long prevRecordLsn() {
        return writer.prevRecordLsn();
    }

    /** No more WAL will come, for this reason: who asks for later LSNs need not wait. */
    void endWal(String why) {
        requests.end(why);
        lastRecord.end();
    }

    /** WAL comes again: who asks for later LSNs waits for them. */
    void expectWal() {
        requests.end(null);
        if (!closed) {
            lastRecord.resume();
        }
    }

    /**
     * Takes what records up to {@code endLsn} changed, and makes it readable. May wait for the
     * flusher.
     *
     * @param recordStart where the last of the records starts
     */
    public void commit(Modifications m, long recordStart, long endLsn) {
        writer.commit(m, recordStart, endLsn);
    }

    /**
     * A part of something large that takes effect at {@code lsn}, ahead of the last record:
     * readable only with the {@link #commit} of that LSN, but flushed as it grows, as image layers
     * that nothing names before that commit is flushed. Images only, all of that LSN, each key at
     * most once in all parts.
     */
    void commitPart(Modifications m, long lsn) {
        writer.commitPart(m, lsn);
    }

    /** Forgets the parts of something large that was not completed: it will be done over. */
    void abandonParts() {
        writer.abandonParts();
    }

    /**
     * Ends an import, which was done in parts at {@code startLsn}: all durable, then the index, and
     * the timeline exists.
     */
    void finishImport(long startLsn, long readableLsn, int walTimeline) {
        finishImport(startLsn, readableLsn, systemIdentifier(), segmentSize(), walTimeline);
    }

    /**
     * Its WAL goes on so from the last record on; durable when it returns, and so before anything
     * is that comes from there.
     */
    void continueWal(WalHistory wal) {
        layers.commitIndex(index -> index.identity().wal().equals(wal) ? null : index.on(wal));
    }

    /** The same of a cluster that was not known before all of it was there. */
    void finishImport(
            long startLsn, long readableLsn, long systemId, int walSegment, int walTimeline) {
        flusher.awaitFewerThan(1);
        layers.prepare(index ->
                index.readable(
                        readableLsn,
                        index.identity().found(systemId, walSegment, WalHistory.on(walTimeline))));
        commit(new Modifications(), writer.prevRecordLsn(), startLsn);
        flushUpTo(startLsn);
    }

    /** Freezes the open layer if its oldest value is older than the limit says. */
    void flushIfOld() {
        writer.flushIfOld();
    }

    /** PRECONDITION_FAILED if another server has taken the tenant over. */
    void checkNotFenced() {
        RemoteTimeline r = remote;
        if (r != null) {
            r.tenant().checkNotFenced();
        }
    }

    /** Looks whether another server has taken the tenant over: then that is the reason. */
    String orFenced(String why) {
        RemoteTimeline r = remote;
        if (r == null || !r.tenant().owns()) {
            return why;
        }
        try {
            r.tenant().validate();
            return why;
        } catch (PageserverException e) {
            return e.code() == ErrorCode.PRECONDITION_FAILED ? String.valueOf(e.getMessage()) : why;
        }
    }

    /** Waits until everything up to {@code lsn} (at most the last record) is durable. */
    public void flushUpTo(long lsn) {
        if (diskConsistent.lsn() < lsn) {
            checkRoom();
            writer.freeze();
        }
        while (!diskConsistent.await(lsn, 1_000_000_000L)) {
            checkWritable();
            checkRoom();
        }
    }

    /** Makes durable what has arrived, unless nothing can be; what is in the way is told. */
    void keepWhatArrived() {
        if (failure() != null) {
            return;
        }
        try {
            flushUpTo(lastRecordLsn());
        } catch (PageserverException e) {
            environment()
                    .tracer()
                    .event(Event.FLUSH_AT_END_FAILED, subject(), String.valueOf(e.getMessage()));
        }
    }

    private void checkRoom() {
        String full = diskFull();
        if (full != null) {
            throw PageserverException.of(
                    ErrorCode.NO_SPACE, "timeline %s waits for room on the disk: %s", id(), full);
        }
    }

    void checkWritable() {
        checkHealthy();
        checkOpen();
    }

    void checkHealthy() {
        RuntimeException f = failure;
        if (f != null) {
            throw new PageserverException(
                    ErrorCode.IO, "timeline " + id() + " takes no more WAL: " + f.getMessage(), f);
        }
    }

    /** Makes what a flush has written durable and known. */
    void flushed(Flusher.Frozen frozen, @Nullable LayerFile file) {
        if (!frozen.commits()) {
            layers.flushedPart(frozen.layer(), file);
            return;
        }
        layers.flushed(frozen.layer(), file, frozen.lastRecordLsn(), frozen.prevRecordLsn());
        diskConsistent.advance(frozen.lastRecordLsn());
        surroundings.housekeeping().flushed(this);
    }

    /**
     * Stops it: nothing is written any more, for this reason, until the server starts again. Reads
     * of what is there go on. What fails because of that is no other reason.
     */
    public void fail(RuntimeException why) {
        if (failure != null) {
            return;
        }
        failure = why;
        environment()
                .tracer()
                .event(Event.TIMELINE_STOPPED, subject(), "takes no more WAL: " + why.getMessage());
        diskConsistent.wake();
    }

    /**
     * What it is made for is not wanted any more, and all of it will be deleted: it takes nothing
     * more, and who waits in it waits no longer.
     */
    void breakOff(PageserverException why) {
        if (failure == null) {
            failure = why;
        }
        diskConsistent.wake();
        flusher.wake();
    }

    boolean closed() {
        return closed;
    }

    /** Who reads must look again: the timeline is gone. */
    void checkOpen() {
        if (closed) {
            throw PageserverException.of(
                    ErrorCode.SHUTTING_DOWN, "timeline %s is shutting down", id());
        }
    }

    /** See {@link Surroundings#structure}. */
    int structure() {
        return surroundings.structure().get();
    }

    /** Branches that hang on it, those too that are being made or cannot be opened. */
    public int branchCount() {
        return window.branchCount();
    }

    HistoryWindow window() {
        return window;
    }

    /** Index and layer map, for what changes either. */
    TimelineLayers stored() {
        return layers;
    }

    /** Its index says so: it hangs there, or nowhere, and all it had for it is there. */
    void hangs(@Nullable BranchPoint at) {
        branchPoint = at;
    }

    /** Makes durable what has arrived, if it can, for the end. */
    public void flushAtEnd() {
        flusher.end();
        try {
            if (failure == null) {
                flushUpTo(lastRecord.lsn());
            }
        } catch (PageserverException e) {
            environment()
                    .tracer()
                    .event(Event.FLUSH_AT_STOP_FAILED, subject(), String.valueOf(e.getMessage()));
        }
    }

    /** {@link #flushAtEnd}, then {@link #close}. */
    public void shutDown() {
        flushAtEnd();
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
        layers.close();
        if (remote != null) {
            remote.close();
        }
    }
}
