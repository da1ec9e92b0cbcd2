package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.port.Disk;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.timeline.StoredTenant;
import java.util.ArrayList;
import java.util.List;

/** Reads layers back from the store, one after the other, and notes which are good. */
final class LayerVerification {
    /** The only name anything gets on our disk. */
    static final String FILE = "layer";

    /**
     * An object that is not what it should be, or is not there.
     *
     * @param error with what was expected and what was found
     * @param next what a person can do about it
     */
    record Damage(String key, String error, String next) {}

    private final RemoteStore store;
    private final Disk disk;
    private final Proofs proofs;
    private final List<Damage> damages = new ArrayList<>();
    private int layers;
    private long bytes;

    /**
     * @param disk for one file at a time
     * @param proofs gets what is good, and loses what is not
     */
    LayerVerification(RemoteStore store, Disk disk, Proofs proofs) {
        this.store = store;
        this.disk = disk;
        this.proofs = proofs;
    }

    List<Damage> damages() {
        return List.copyOf(damages);
    }

    /** How many were read, the damaged ones among them. */
    int layers() {
        return layers;
    }

    /** Of what was good. */
    long bytes() {
        return bytes;
    }

    /** A manifest or an index that cannot be used. */
    void failed(String key, String problem) {
        damages.add(
                new Damage(
                        key,
                        problem,
                        "do not stop the page server that owns the tenant: it has it in memory, and puts it again when it changes (an index with the next upload). In a versioned bucket `palimpsest store restore` goes back to a time before"));
    }

    void verify(StoredLayers.Named named) {
        layers++;
        String key = named.key();
        long expected = named.layer().size();
        try {
            Stored stored = store.download(key, disk, FILE);
            if (stored.length() != expected) {
                throw PageserverException.corruption(
                        "expected %d bytes (by the index), found %d", expected, stored.length());
            }
            BlockCache cache = Place.cache();
            try (LayerFile file = LayerFile.open(disk, FILE, named.layer().name(), cache)) {
                file.verify();
            }
            bytes += stored.length();
            proofs.add(
                    key,
                    new Proofs.Proof(
                            stored.length(),
                            stored.crc32c(),
                            stored.modifiedMillis(),
                            System.currentTimeMillis()));
        } catch (PageserverException e) {
            proofs.disprove(key);
            if (e.code() == ErrorCode.CORRUPTION) {
                damaged(named, String.valueOf(e.getMessage()));
            } else if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            } else if (stillNamed(named)) {
                damaged(
                        named,
                        "expected %d bytes (by the index), found no such object"
                                .formatted(expected));
            }
        } finally {
            disk.delete(FILE);
        }
    }

    /** Compaction may have replaced it since the index was read. */
    private boolean stillNamed(StoredLayers.Named named) {
        return StoredTenant.read(store, named.tenant()).branches().stream()
                .filter(branch -> branch.id().equals(named.branch()))
                .flatMap(branch -> branch.layers().stream())
                .anyMatch(layer -> layer.name().equals(named.layer().name()));
    }

    private void damaged(StoredLayers.Named named, String error) {
        damages.add(
                new Damage(
                        named.key(),
                        error,
                        "reads that need it fail, all others go on. Keep the disk of the page server that owns the tenant: %s in its working directory may be whole, `palimpsest layer check` tells. In a versioned bucket `palimpsest store restore` goes back to a time before"
                                .formatted(named.key())));
    }
}
