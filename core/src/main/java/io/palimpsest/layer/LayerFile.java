package io.palimpsest.layer;

import static io.palimpsest.layer.LayerFormat.wrong;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Disk;
import io.palimpsest.port.ObjectStore;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * A finished layer file of either kind, for reading by any number of tasks. It knows its descriptor
 * and opens the file when somebody reads it; a file that nobody reads may be closed to make room
 * ({@link OpenFiles}) and opened again. Each opening holds the file against the descriptor, so that
 * a file that is missing, cut or another one is an error of each read that needs it and of no
 * other.
 *
 * <p>A file that is not on the disk is read in parts where its directory's {@link LayerSource} has
 * it, until it has come; then new reads take the file, and those under way go on as they began.
 * Whoever reads all of it waits for the file.
 *
 * <p>A handle of a file that is not open takes 72 bytes, and its descriptor, which it shares with
 * the index, about 180; what an open one adds is in {@link LayerReader}.
 *
 * <p>Readers hold it with {@link #acquire} and {@link #release}; who made it holds it until {@link
 * #close}. The last of them closes the file for good. Methods that do not say otherwise need no
 * hold and no open file.
 */
public final class LayerFile implements AutoCloseable {
    // Why this file is long: holders, the open reader, its slot and where the file is are one state
    // that each of the methods changes without a lock; what is read is LayerReader's business.

    private static final VarHandle HOLDERS;
    private static final VarHandle READER;

    /** In place of the number of holders, for a few instructions, while {@link #evict} works. */
    private static final int EVICTING = -1;

    private static final int OPENS = 100;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            HOLDERS = lookup.findVarHandle(LayerFile.class, "holders", int.class);
            READER = lookup.findVarHandle(LayerFile.class, "reader", LayerReader.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final LayerDirectory directory;

    /** Its name if that is not what the descriptor says. */
    private final @Nullable String file;

    private final LayerDescriptor descriptor;
    private final BlockCache cache;
    private final long id;

    // Copies of what the name says, near at hand for searches of the map.
    private final long startLsn;
    private final long endLsn;

    private volatile int holders = 1;
    private volatile @Nullable LayerReader reader;
    private volatile boolean closed;

    /** In {@link OpenFiles}; -1 if it has none. */
    private volatile int slot = -1;

    /** A racy hint that spares it when room is made. */
    private boolean used;

    /** Its file left the disk, and is closed as soon as nobody holds it. */
    private volatile boolean leaving;

    private volatile boolean resident;
    private int lastRead;

    private LayerFile(
            LayerDirectory directory,
            @Nullable String file,
            LayerDescriptor descriptor,
            BlockCache cache,
            long id,
            boolean resident) {
        this.directory = directory;
        this.file = file;
        this.descriptor = descriptor;
        this.cache = cache;
        this.id = id;
        this.resident = resident;
        lastRead = cache.open().now();
        startLsn = descriptor.name().startLsn();
        endLsn = descriptor.name().endLsn();
    }

    /**
     * A file in a directory that is opened when it is first read.
     *
     * @param directory "" for the root
     */
    public static LayerFile lazy(
            Disk disk, String directory, LayerDescriptor descriptor, BlockCache cache) {
        return lazy(new LayerDirectory(disk, directory, null), descriptor, cache);
    }

    /** The same in a directory that is shared by its layers. */
    public static LayerFile lazy(
            LayerDirectory directory, LayerDescriptor descriptor, BlockCache cache) {
        return lazy(directory, descriptor, cache, true);
    }

    /**
     * The same of one that comes from the directory's source when it is first read.
     *
     * @param resident is it on the disk already?
     */
    public static LayerFile lazy(
            LayerDirectory directory,
            LayerDescriptor descriptor,
            BlockCache cache,
            boolean resident) {
        return new LayerFile(directory, null, descriptor, cache, cache.register(), resident);
    }

    /**
     * Opens a file whose descriptor is not known, and checks header, footer, index root, and that
     * they are what the name says.
     *
     * @throws PageserverException NOT_FOUND or CORRUPTION
     */
    public static LayerFile open(Disk disk, String path, LayerName name, BlockCache cache) {
        int slash = path.lastIndexOf('/');
        String directory = slash < 0 ? "" : path.substring(0, slash);
        return open(
                new LayerDirectory(disk, directory, null), path.substring(slash + 1), name, cache);
    }

    /** The same of a file under its own name. */
    public static LayerFile open(LayerDirectory directory, LayerName name, BlockCache cache) {
        return open(directory, name.toString(), name, cache);
    }

    private static LayerFile open(
            LayerDirectory directory, String file, LayerName name, BlockCache cache) {
        String path = directory.pathOf(file);
        Disk.Input input = directory.disk().open(path);
        boolean opened = false;
        try {
            long id = cache.register();
            LayerReader reader = new LayerReader(input, null, path, name, cache, id);
            LayerFile f =
                    new LayerFile(
                            directory,
                            file.equals(name.toString()) ? null : file,
                            new LayerDescriptor(name, input.size(), reader.header().complete()),
                            cache,
                            id,
                            true);
            f.install(reader);
            opened = true;
            return f;
        } finally {
            if (!opened) {
                input.close();
            }
        }
    }

    public LayerName name() {
        return descriptor.name();
    }

    public LayerDescriptor descriptor() {
        return descriptor;
    }

    public String path() {
        return directory.pathOf(file == null ? descriptor.name().toString() : file);
    }

    /** Bytes of the file. */
    public long size() {
        return descriptor.size();
    }

    public boolean image() {
        return descriptor.name().image();
    }

    /** Is it an image layer with all keys there are? See {@link LayerDescriptor}. */
    public boolean complete() {
        return descriptor.complete();
    }

    public KeyRange keys() {
        return descriptor.name().keys();
    }

    public LsnRange lsns() {
        return descriptor.name().lsns();
    }

    /** Inclusive. */
    public long startLsn() {
        return startLsn;
    }

    /** Exclusive. */
    public long endLsn() {
        return endLsn;
    }

    /** Who wrote it, as it says itself. Opens the file. */
    public TenantShardId tenant() {
        if (!acquire()) {
            throw removed(path());
        }
        try {
            return whole().header().tenant();
        } finally {
            release();
        }
    }

    /**
     * Where it was written, as it says itself; a branch that was detached holds its parent's. Opens
     * the file.
     */
    public TimelineId timeline() {
        if (!acquire()) {
            throw removed(path());
        }
        try {
            return whole().header().timeline();
        } finally {
            release();
        }
    }

    /** Opens the file. */
    public LayerStatistics statistics() {
        LayerReader r = hold();
        release();
        return r.footer().statistics();
    }

    /** Takes hold of it; false if it has been closed for good. */
    public boolean acquire() {
        return change(1) > 0;
    }

    public void release() {
        int left = change(-1);
        if (left == 0) {
            closeReader();
        } else if (left == 1 && reader != null && (slot < 0 || leaving)) {
            used = false;
            int mine = slot;
            if (evict() && mine >= 0) {
                cache.open().free(mine, this);
            }
        }
    }

    /** Is its file on the disk? */
    public boolean resident() {
        return resident;
    }

    /**
     * When it was last read, or made if it was not read yet: what {@link BlockCache#now(int)} was
     * told last before that. A racy hint.
     */
    public int lastRead() {
        return lastRead;
    }

    /**
     * Lets its file leave the disk, if the directory's source can bring it back. Who reads it goes
     * on; who wants to read it gets it again.
     *
     * @return false if it must stay
     */
    public boolean drop() {
        LayerSource source = directory.source();
        if (source == null || !acquire()) {
            return false;
        }
        try {
            if (!source.drop(descriptor, path(), () -> resident = false)) {
                return false;
            }
            leaving = reader != null;
            return true;
        } finally {
            release();
        }
    }

    /**
     * Brings its file to the disk, if it is not there.
     *
     * @throws PageserverException as {@link LayerSource} has it, or CONFLICT if it was removed
     */
    public void fetch() {
        if (!resident) {
            bring();
        }
    }

    private void bring() {
        if (!acquire()) {
            throw removed(path());
        }
        try {
            bring(path());
            // Somebody wants to have it here: that is as good as a read.
            lastRead = cache.open().now();
        } finally {
            release();
        }
    }

    /** Gives up the maker's hold: no new reader opens the file. Once. */
    @Override
    public void close() {
        closed = true;
        release();
    }

    /**
     * @return holders then, or -1 if it was closed already
     */
    private int change(int by) {
        int n = holders;
        while (n != 0) {
            // While EVICTING another task is between two instructions, which nothing can hold up.
            if (n != EVICTING && HOLDERS.compareAndSet(this, n, n + by)) {
                return n + by;
            }
            n = holders;
        }
        Check.that(by > 0, "layer released once too often: %s", this);
        return -1;
    }

    /**
     * Closes the file until it is used again, if nobody holds it and it was not used since this was
     * last asked.
     *
     * @return is it closed?
     */
    boolean evict() {
        if (used && holders != 0) {
            used = false;
            return false;
        }
        if (!HOLDERS.compareAndSet(this, 1, EVICTING)) {
            return holders == 0;
        }
        if (closed) {
            // The one who holds it is not its maker but the last of its readers.
            holders = 1;
            return false;
        }
        LayerReader open = reader;
        reader = null;
        slot = -1;
        leaving = false;
        holders = 1;
        if (open != null) {
            open.close();
        }
        return true;
    }

    private void closeReader() {
        LayerReader open = reader;
        int mine = slot;
        if (mine >= 0) {
            cache.open().free(mine, this);
        }
        if (open != null) {
            reader = null;
            open.close();
        }
    }

    /** The open file, or what stands for it while it is away; the caller holds this. */
    private LayerReader reader() {
        LayerReader open = reader;
        if (open == null || isOutdated(open)) {
            open = openNow(false);
        }
        touch();
        return open;
    }

    /** Is there something better to be had than these parts? */
    private boolean isOutdated(LayerReader open) {
        return open.away() && (resident || open.suspected());
    }

    /** The open file, which is on the disk; the caller holds this. */
    private LayerReader whole() {
        LayerReader open = reader;
        if (open == null || open.away()) {
            open = openNow(true);
        }
        touch();
        return open;
    }

    private void touch() {
        if (!used) {
            used = true;
        }
        int now = cache.open().now();
        if (lastRead != now) {
            lastRead = now;
        }
    }

    private LayerReader openNow(boolean whole) {
        String path = path();
        Disk.Input input = openFile(path, whole);
        if (input != null) {
            return open(path, input);
        }
        LayerReader parts = reader;
        return parts == null || parts.suspected() ? openParts(path) : parts;
    }

    private LayerReader open(String path, Disk.Input input) {
        boolean opened = false;
        try {
            if (input.size() != descriptor.size()) {
                throw PageserverException.corruption(
                        "%s: found %d bytes, expected %d (by the index)",
                        path, input.size(), descriptor.size());
            }
            LayerReader open = new LayerReader(input, null, path, descriptor.name(), cache, id);
            checkComplete(open);
            LayerReader winner = install(open);
            opened = winner == open;
            return winner;
        } finally {
            if (!opened) {
                input.close();
            }
        }
    }

    private void checkComplete(LayerReader open) {
        boolean complete = open.header().complete();
        if (complete != descriptor.complete()) {
            throw wrong(
                    open.path(), 11, "complete (by the index)", descriptor.complete(), complete);
        }
    }

    private LayerReader openParts(String path) {
        LayerSource source = directory.source();
        if (closed || source == null) {
            throw missing(path);
        }
        for (int attempt = 1; ; attempt++) {
            LayerSource.Parts parts = source.open(descriptor, this::bring);
            try {
                // Under a number of its own: blocks in the cache were checked by who opened it.
                LayerReader open =
                        new LayerReader(
                                parts,
                                parts,
                                parts.name(),
                                descriptor.name(),
                                cache,
                                cache.register());
                checkComplete(open);
                return install(open);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.CORRUPTION || attempt == ObjectStore.READS) {
                    throw e;
                }
            }
        }
    }

    /** Null if it is not on the disk, and is not to be brought there. */
    private Disk.@Nullable Input openFile(String path, boolean bring) {
        // What was brought may have left again before it is opened.
        for (int i = 0; i < OPENS; i++) {
            try {
                return directory.disk().open(path);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.NOT_FOUND) {
                    throw e;
                }
            }
            if (!bring && directory.source() != null) {
                return null;
            }
            bring(path);
        }
        throw PageserverException.of(
                ErrorCode.UNAVAILABLE,
                "%s: came from the store %d times, and left the disk each time before it was read: the disk has too little room",
                path,
                OPENS);
    }

    private void bring(String path) {
        LayerSource source = directory.source();
        if (closed || source == null || !source.fetch(descriptor, path, () -> resident = true)) {
            throw missing(path);
        }
    }

    private PageserverException missing(String path) {
        return closed
                ? removed(path)
                : PageserverException.corruption(
                        "%s: the index names this layer, but there is no such file", path);
    }

    private static PageserverException removed(String path) {
        return PageserverException.of(ErrorCode.CONFLICT, "%s: removed meanwhile", path);
    }

    /**
     * Makes this the open file, unless another task was first: answers which. A file takes the
     * place of its parts, which who is reading them keeps.
     */
    private LayerReader install(LayerReader open) {
        while (true) {
            LayerReader found = reader;
            if (found != null && (open.away() && !found.suspected() || !found.away())) {
                return found;
            }
            if (READER.compareAndSet(this, found, open)) {
                if (found == null) {
                    slot = cache.open().take(this);
                }
                return open;
            }
        }
    }

    private LayerReader hold() {
        if (!acquire()) {
            throw removed(path());
        }
        boolean done = false;
        try {
            LayerReader r = reader();
            done = true;
            return r;
        } finally {
            if (!done) {
                release();
            }
        }
    }

    /**
     * Collects the key's values with {@code floor <= LSN < r.below()}, newest first, until one is
     * initial. May block. If that is not reached, {@code r} is lowered to the floor or the start of
     * a delta layer, whichever is higher (an image layer says nothing about deltas at its LSN and
     * lowers nothing).
     *
     * @return complete
     */
    public boolean collect(Reconstruction r, long floor) {
        return search(r, floor, true) == Collected.COMPLETE;
    }

    public boolean collect(Reconstruction r) {
        return collect(r, 0);
    }

    /** The same without blocking, if it can. */
    public Collected tryCollect(Reconstruction r, long floor) {
        return search(r, floor, false);
    }

    public Collected tryCollect(Reconstruction r) {
        return tryCollect(r, 0);
    }

    /** The same; STALE if it is closed for good. */
    Collected search(Reconstruction r, long floor, boolean mayBlock) {
        if (!acquire()) {
            return Collected.STALE;
        }
        int before = r.count();
        try {
            for (int attempt = 1; ; attempt++) {
                LayerReader open = reader;
                if (!mayBlock && (open == null || isOutdated(open))) {
                    return Collected.NOT_READY;
                }
                open = reader();
                try {
                    return open.search(r, floor, mayBlock);
                } catch (PageserverException e) {
                    throwUnlessAgain(e, open, attempt);
                    r.truncate(before);
                }
            }
        } catch (PageserverException e) {
            return staleOr(e);
        } finally {
            release();
        }
    }

    /**
     * Damage on the way is gone when parts are opened and read once more, damage over there is not.
     */
    private static void throwUnlessAgain(PageserverException e, LayerReader open, int attempt) {
        if (!open.away() || e.code() != ErrorCode.CORRUPTION || attempt == ObjectStore.READS) {
            throw e;
        }
        open.suspect();
    }

    /** That a layer that was removed meanwhile is gone says nothing about the data. */
    private static Collected staleOr(PageserverException e) {
        if (e.code() == ErrorCode.CONFLICT) {
            return Collected.STALE;
        }
        throw e;
    }

    /**
     * Offers the newest content of every key in the range with {@code floor <= LSN <= lsn}; the
     * keys hold only images. May block.
     *
     * @return MORE, or STALE
     */
    Collected scan(KeyRange range, long floor, long lsn, ImageScan into) {
        if (!acquire()) {
            return Collected.STALE;
        }
        try {
            for (int attempt = 1; ; attempt++) {
                LayerReader open = reader();
                try {
                    open.scan(range, floor, lsn, into);
                    return Collected.MORE;
                } catch (PageserverException e) {
                    // What was offered has passed all checks; it is offered again.
                    throwUnlessAgain(e, open, attempt);
                }
            }
        } catch (PageserverException e) {
            return staleOr(e);
        } finally {
            release();
        }
    }

    /**
     * All entries, in order. May block, also until the file is on the disk. Hold the file while the
     * cursor is used.
     */
    public LayerCursor entries() {
        return entries(KeyRange.ALL);
    }

    /** The entries with a key in the range. Data blocks pass by the cache. */
    public LayerCursor entries(KeyRange range) {
        return new FileCursor(whole(), range, false);
    }

    /** Reads the whole file and checks all that can be checked; CORRUPTION at the first flaw. */
    public void verify() {
        if (!acquire()) {
            throw removed(path());
        }
        try {
            whole().verify();
        } finally {
            release();
        }
    }

    /**
     * Reads the whole file and checks that these are the bytes that were written, whatever they
     * say: the checksum of all that is before the footer. A twentieth of the time of {@link
     * #verify}. CORRUPTION if they are not.
     */
    public void verifyChecksum() {
        if (!acquire()) {
            throw removed(path());
        }
        try {
            whole().verifyChecksum();
        } finally {
            release();
        }
    }

    @Override
    public String toString() {
        return path();
    }
}
