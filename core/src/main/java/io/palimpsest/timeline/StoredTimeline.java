package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.Collected;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerMap;
import io.palimpsest.layer.ReadTrace;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Disk;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.Keys;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A timeline as its files tell, for tools: nothing is written and nothing deleted, so that it can
 * be looked at while a server uses it. What is in that server's memory is not seen, and a layer
 * that it replaces meanwhile is NOT_FOUND: look again.
 */
public final class StoredTimeline {
    /** Another timeline that hangs on this one. */
    public record Branch(TimelineId timeline, long lsn) {}

    private final Disk disk;
    private final String directory;
    private final TimelineIndex index;

    private StoredTimeline(Disk disk, String directory, TimelineIndex index) {
        this.disk = disk;
        this.directory = directory;
        this.index = index;
    }

    /**
     * Reads the index of one of the timelines whose directories lie at the disk's root.
     *
     * @throws PageserverException NOT_FOUND or CORRUPTION
     */
    public static StoredTimeline read(Disk disk, String directory) {
        return new StoredTimeline(disk, directory, TimelineIndex.read(disk, directory));
    }

    public TenantShardId tenant() {
        return index.tenant();
    }

    public TimelineId id() {
        return index.timeline();
    }

    public PgVersion version() {
        return index.identity().version();
    }

    public @Nullable TimelineId ancestor() {
        TimelineIndex.Ancestor ancestor = index.ancestor();
        return ancestor == null ? null : ancestor.timeline();
    }

    /** Where it branched off; 0 without ancestor. */
    public long ancestorLsn() {
        TimelineIndex.Ancestor ancestor = index.ancestor();
        return ancestor == null ? 0 : ancestor.lsn();
    }

    public long oldestReadableLsn() {
        return index.oldestReadableLsn();
    }

    public long diskConsistentLsn() {
        return index.diskConsistentLsn();
    }

    public List<Lease> leases() {
        return index.leases();
    }

    /** In the order of their names. */
    public List<LayerDescriptor> layers() {
        return index.layers();
    }

    /**
     * What branched off here, by LSN. A directory beside this one whose index cannot be read is
     * passed over.
     */
    public List<Branch> branches() {
        List<Branch> found = new ArrayList<>();
        for (String other : disk.list("")) {
            TimelineIndex i = readable(other);
            TimelineIndex.Ancestor from = i == null ? null : i.ancestor();
            if (i != null && from != null && from.timeline().equals(id())) {
                found.add(new Branch(i.timeline(), from.lsn()));
            }
        }
        found.sort(Comparator.comparingLong(Branch::lsn).thenComparing(Branch::timeline));
        return found;
    }

    private @Nullable TimelineIndex readable(String other) {
        try {
            return disk.exists(other + "/" + TimelineIndex.FILE)
                    ? TimelineIndex.read(disk, other)
                    : null;
        } catch (PageserverException e) {
            return null;
        }
    }

    /** The layer's file, not open yet. */
    public LayerFile file(LayerDescriptor layer, BlockCache cache) {
        return LayerFile.lazy(disk, directory, layer, cache);
    }

    /**
     * Collects the values of {@code r}'s key, down to an initial one, here and in the ancestors;
     * tells {@code r}'s trace.
     *
     * @return COMPLETE, or MORE if there is no initial value
     */
    public Collected collect(Reconstruction r, BlockCache cache) {
        StoredTimeline t = this;
        while (true) {
            ReadTrace trace = r.trace();
            if (trace != null) {
                trace.timeline(t.id(), r.below());
            }
            StoredTimeline here = t;
            LayerMap map =
                    LayerMap.of(here.layers().stream().map(l -> here.file(l, cache)).toList())
                            .adopt(here.index.adopted().stream().mapToLong(l -> l).toArray());
            try {
                Collected found = map.collect(r);
                TimelineId ancestor = t.ancestor();
                if (found != Collected.MORE || ancestor == null) {
                    return found;
                }
                r.lower(t.ancestorLsn() + 1);
                t = read(disk, ancestor.toString());
            } finally {
                map.forEach(LayerFile::close);
            }
        }
    }

    /** The content under a key that holds images only; null if there is none. */
    public byte @Nullable [] image(Key key, long lsn, BlockCache cache) {
        Reconstruction r = new Reconstruction();
        r.reset(key.hi(), key.mid(), key.lo(), lsn);
        return collect(r, cache) == Collected.COMPLETE && r.length(0) > 1
                ? Arrays.copyOfRange(r.bytes(), r.offset(0) + 1, r.offset(0) + r.length(0))
                : null;
    }

    /** What redo must know of the cluster. */
    public RedoContext redoContext(BlockCache cache) {
        byte[] control = image(Keys.CONTROL_FILE, index.diskConsistentLsn(), cache);
        return new RedoContext(
                version(),
                index.identity().origin(),
                control != null && ControlFile.parse(control, version()).hintBitsLogged());
    }
}
