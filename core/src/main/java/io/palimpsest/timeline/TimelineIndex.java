package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Disk;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The one file that names a timeline's layers: replacing it, atomically, is the commit. Its text is
 * {@link TimelineIndexText}'s.
 *
 * @param ancestor what this branched off, or null
 * @param adopted branch points that were crossed by layers taken over when the timeline was
 *     detached from its ancestors, ascending: an image layer at an LSN says nothing about what is
 *     at or below the largest of them that is below that LSN
 * @param properties what people say of it
 * @param oldestReadableLsn the cutoff: reads and branches below are refused but at leased LSNs and
 *     branch points
 * @param leases by LSN, each LSN once
 * @param diskConsistentLsn everything up to it is in the layers, and nothing past it
 * @param prevRecordLsn start of the record that ends at diskConsistentLsn, 0 if unknown
 * @param layers in the order of their names, each once
 * @param removed layers that are gone, but whose objects may still be in the store: to be deleted
 *     there; in the order of their names. Empty without a store
 */
record TimelineIndex(
        Identity identity,
        @Nullable Ancestor ancestor,
        List<Long> adopted,
        TimelineState state,
        BranchProperties properties,
        long oldestReadableLsn,
        List<Lease> leases,
        long diskConsistentLsn,
        long prevRecordLsn,
        List<LayerDescriptor> layers,
        List<LayerName> removed) {
    static final String FILE = "index";

    /** Files that are being written end so: a crash leaves them, and nobody needs them. */
    static final String TEMPORARY_SUFFIX = ".___temp";

    private static final String TEMPORARY = FILE + TEMPORARY_SUFFIX;

    /** The order of the names as text, without making the text. */
    static final Comparator<LayerName> BY_NAME =
            Comparator.comparing((LayerName n) -> n.keys().start())
                    .thenComparing(n -> n.keys().end())
                    .thenComparing(LayerName::startLsn, Long::compareUnsigned)
                    .thenComparing(LayerName::toString);

    /** The same of layers. */
    static final Comparator<LayerDescriptor> ORDER =
            Comparator.comparing(LayerDescriptor::name, BY_NAME);

    /**
     * What never changes, but for the WAL timeline.
     *
     * @param origin whose WAL the history is made of
     * @param systemIdentifier of the Postgres cluster the history comes from
     * @param segmentSize of its WAL, bytes
     * @param wal which of Postgres's timelines the WAL is on, and was; may know of a switch that
     *     the layers have not reached yet
     */
    record Identity(
            TenantShardId tenant,
            TimelineId timeline,
            Generation generation,
            PgVersion version,
            WalOrigin origin,
            long systemIdentifier,
            int segmentSize,
            WalHistory wal) {
        /** Of a cluster of whose WAL no more is known than on which timeline it is. */
        Identity(
                TenantShardId tenant,
                TimelineId timeline,
                Generation generation,
                PgVersion version,
                WalOrigin origin,
                long systemIdentifier,
                int segmentSize,
                int walTimeline) {
            this(
                    tenant,
                    timeline,
                    generation,
                    version,
                    origin,
                    systemIdentifier,
                    segmentSize,
                    WalHistory.on(walTimeline));
        }

        /** The same cluster's up to an LSN, under another id. */
        Identity branch(TimelineId id, long lsn) {
            return new Identity(
                    tenant,
                    id,
                    generation,
                    version,
                    origin,
                    systemIdentifier,
                    segmentSize,
                    wal.upTo(lsn));
        }

        Identity under(Generation newGeneration) {
            return new Identity(
                    tenant,
                    timeline,
                    newGeneration,
                    version,
                    origin,
                    systemIdentifier,
                    segmentSize,
                    wal);
        }

        /** As it turns out to be, when an import has seen it. */
        Identity found(long newSystemIdentifier, int newSegmentSize, WalHistory newWal) {
            return new Identity(
                    tenant,
                    timeline,
                    generation,
                    version,
                    origin,
                    newSystemIdentifier,
                    newSegmentSize,
                    newWal);
        }

        int walTimeline() {
            return wal.timelineId();
        }
    }

    /** Where a branch hangs. */
    record Ancestor(TimelineId timeline, long lsn) {}

    TimelineIndex {
        adopted = List.copyOf(adopted);
        leases = List.copyOf(leases);
        layers = List.copyOf(layers);
        removed = List.copyOf(removed);
    }

    /** Without a layer, everything up to {@code lsn} being the ancestor's, or nothing. */
    static TimelineIndex empty(
            Identity identity, @Nullable Ancestor ancestor, long oldestReadableLsn, long lsn) {
        return new TimelineIndex(
                identity,
                ancestor,
                List.of(),
                TimelineState.ACTIVE,
                BranchProperties.NONE,
                oldestReadableLsn,
                List.of(),
                lsn,
                0,
                List.of(),
                List.of());
    }

    TenantShardId tenant() {
        return identity.tenant;
    }

    TimelineId timeline() {
        return identity.timeline;
    }

    Generation generation() {
        return identity.generation;
    }

    /** With more layers, being durable up to a later LSN. */
    TimelineIndex flushed(Collection<LayerDescriptor> added, long newDiskLsn, long newPrevLsn) {
        return new TimelineIndex(
                identity,
                ancestor,
                adopted,
                state,
                properties,
                oldestReadableLsn,
                leases,
                newDiskLsn,
                newPrevLsn,
                replaced(List.of(), added),
                removed);
    }

    /**
     * With other layers for the same history.
     *
     * @param remember those that go may be in a store
     */
    TimelineIndex replace(
            Collection<LayerDescriptor> gone, Collection<LayerDescriptor> added, boolean remember) {
        return with(identity, replaced(gone, added), remember ? withRemoved(gone) : removed);
    }

    private TimelineIndex with(
            Identity newIdentity, List<LayerDescriptor> newLayers, List<LayerName> newRemoved) {
        return new TimelineIndex(
                newIdentity,
                ancestor,
                adopted,
                state,
                properties,
                oldestReadableLsn,
                leases,
                diskConsistentLsn,
                prevRecordLsn,
                newLayers,
                newRemoved);
    }

    private List<LayerName> withRemoved(Collection<LayerDescriptor> gone) {
        TreeSet<LayerName> all = new TreeSet<>(BY_NAME);
        all.addAll(removed);
        gone.forEach(l -> all.add(l.name()));
        return List.copyOf(all);
    }

    /** With these objects deleted from the store; those it does not know are fine. */
    TimelineIndex forget(Collection<LayerName> deleted) {
        TreeSet<LayerName> done = new TreeSet<>(BY_NAME);
        done.addAll(deleted);
        return with(
                identity, layers, removed.stream().filter(name -> !done.contains(name)).toList());
    }

    /** As the holder of that generation goes on with it. */
    TimelineIndex under(Generation newGeneration) {
        return with(identity.under(newGeneration), layers, removed);
    }

    /**
     * The same history of these layers, for the holder of that generation. What was to be deleted
     * from the store is left; a time at which it was to be deleted itself is forgotten, or what was
     * restored would go at once.
     *
     * @throws PageserverException UNSUPPORTED if two layers differ by the generation alone that
     *     they have lost
     */
    TimelineIndex restored(Generation newGeneration, List<LayerDescriptor> restoredLayers) {
        List<LayerDescriptor> sorted = restoredLayers.stream().sorted(ORDER).toList();
        for (int i = 1; i < sorted.size(); i++) {
            if (ORDER.compare(sorted.get(i - 1), sorted.get(i)) == 0) {
                throw PageserverException.of(
                        ErrorCode.UNSUPPORTED,
                        "timeline %s has two layers that would be %s",
                        timeline(),
                        sorted.get(i).name());
            }
        }
        return with(identity.under(newGeneration), sorted, List.of())
                .having(properties.expiring(0));
    }

    boolean names(LayerName name) {
        return Collections.binarySearch(
                        layers, new LayerDescriptor(name, 0, false), TimelineIndex.ORDER)
                >= 0;
    }

    /** Says the same of the timeline, whatever is still to be deleted from the store. */
    boolean saysAs(TimelineIndex other) {
        return forget(removed).equals(other.forget(other.removed));
    }

    /**
     * Without an ancestor, whose layers are among its own now.
     *
     * @param oldest from where on history is kept that was the ancestors'
     */
    TimelineIndex detached(List<Long> crossed, long oldest, Collection<LayerDescriptor> takenOver) {
        boolean whole = Long.compareUnsigned(oldestReadableLsn, branchedOff().lsn) <= 0;
        return new TimelineIndex(
                identity,
                null,
                crossed,
                state,
                properties,
                // Unless there is a gap between.
                whole ? Math.min(oldestReadableLsn, oldest) : oldestReadableLsn,
                leases,
                diskConsistentLsn,
                prevRecordLsn,
                replaced(List.of(), takenOver),
                removed);
    }

    /** A branch of another timeline, which has the same history up to there. */
    TimelineIndex hangingOn(TimelineId other) {
        return new TimelineIndex(
                identity,
                new Ancestor(other, branchedOff().lsn),
                adopted,
                state,
                properties,
                oldestReadableLsn,
                leases,
                diskConsistentLsn,
                prevRecordLsn,
                layers,
                removed);
    }

    private Ancestor branchedOff() {
        return Objects.requireNonNull(ancestor, "the timeline has an ancestor");
    }

    private List<LayerDescriptor> replaced(
            Collection<LayerDescriptor> leaving, Collection<LayerDescriptor> added) {
        TreeSet<LayerName> gone = new TreeSet<>(BY_NAME);
        leaving.forEach(l -> gone.add(l.name()));
        List<LayerDescriptor> fresh = new ArrayList<>(added);
        fresh.sort(ORDER);
        List<LayerDescriptor> all = new ArrayList<>(layers.size() + fresh.size());
        int next = 0;
        int taken = 0;
        for (LayerDescriptor l : layers) {
            while (next < fresh.size() && ORDER.compare(fresh.get(next), l) < 0) {
                all.add(fresh.get(next++));
            }
            if (!gone.isEmpty() && gone.contains(l.name())) {
                taken++;
            } else {
                all.add(l);
            }
        }
        all.addAll(fresh.subList(next, fresh.size()));
        Check.that(taken == leaving.size(), "%d of %d removed layers known", taken, leaving.size());
        for (int i = 1; i < all.size(); i++) {
            if (ORDER.compare(all.get(i - 1), all.get(i)) >= 0) {
                Check.that(false, "layer named twice: %s", all.get(i).name());
            }
        }
        return all;
    }

    /** Of that cluster, begun at this WAL timeline, and readable from there on. */
    TimelineIndex readable(long newOldestReadableLsn, Identity found) {
        return new TimelineIndex(
                found,
                ancestor,
                adopted,
                state,
                properties,
                newOldestReadableLsn,
                leases,
                diskConsistentLsn,
                prevRecordLsn,
                layers,
                removed);
    }

    TimelineIndex retaining(long newOldestReadableLsn, List<Lease> newLeases) {
        return new TimelineIndex(
                identity,
                ancestor,
                adopted,
                state,
                properties,
                newOldestReadableLsn,
                newLeases,
                diskConsistentLsn,
                prevRecordLsn,
                layers,
                removed);
    }

    TimelineIndex having(BranchProperties newProperties) {
        return new TimelineIndex(
                identity,
                ancestor,
                adopted,
                state,
                newProperties,
                oldestReadableLsn,
                leases,
                diskConsistentLsn,
                prevRecordLsn,
                layers,
                removed);
    }

    /** With WAL that goes on so. */
    TimelineIndex on(WalHistory wal) {
        return with(
                identity.found(identity.systemIdentifier, identity.segmentSize, wal),
                layers,
                removed);
    }

    TimelineIndex in(TimelineState newState) {
        return new TimelineIndex(
                identity,
                ancestor,
                adopted,
                newState,
                properties,
                oldestReadableLsn,
                leases,
                diskConsistentLsn,
                prevRecordLsn,
                layers,
                removed);
    }

    /**
     * Makes this the directory's index, durably. All layers it names must be durable, names
     * included. If it fails with NO_SPACE, the index before it is still there; with anything else,
     * nobody knows.
     */
    void commit(Disk disk, String directory) {
        for (LayerDescriptor l : layers) {
            // The message costs more than the rest.
            if (Long.compareUnsigned(l.name().startLsn(), diskConsistentLsn) > 0) {
                Check.that(
                        false,
                        "an index up to %s names layer %s",
                        Lsn.toString(diskConsistentLsn),
                        l.name());
            }
        }
        byte[] text = TimelineIndexText.encode(this);
        String temporary = directory + "/" + TEMPORARY;
        disk.delete(temporary);
        try {
            try (Disk.Output out = disk.create(temporary)) {
                out.append(text, 0, text.length);
                out.sync();
            }
            disk.rename(temporary, directory + "/" + FILE);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NO_SPACE) {
                disk.delete(temporary);
            }
            throw e;
        }
        disk.syncDirectory(directory);
    }

    static TimelineIndex read(Disk disk, String directory) {
        String path = directory + "/" + FILE;
        byte[] text;
        try (Disk.Input in = disk.open(path)) {
            if (in.size() > 1 << 30) {
                throw PageserverException.corruption(
                        "%s: %d bytes, an index is smaller", path, in.size());
            }
            text = new byte[(int) in.size()];
            in.read(0, text, 0, text.length);
        }
        return TimelineIndexText.decode(text, path);
    }
}
