package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.server.disk.NioDisk;
import io.palimpsest.server.store.StoreConnection;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Reads layers back from an object store and checks every byte. */
@Command(
        name = "verify",
        mixinStandardHelpOptions = true,
        description = {
            "Reads layers that the indexes name back from the store, and checks them: the object's checksum, each block's, the whole file's, and that it is the layer its name says.",
            "Page servers go on meanwhile. One layer at a time is on the disk here, below the system's temporary directory."
        })
final class StoreVerify implements Callable<Integer> {
    private static final long LINE_EVERY_NANOS = TimeUnit.SECONDS.toNanos(10);

    /** How often what was proved is written down, at most; a run that breaks off loses as much. */
    private static final long SAVE_EVERY_NANOS = TimeUnit.SECONDS.toNanos(20);

    /** How much is read. */
    static final class Extent {
        @Option(names = "--full", required = true, description = "All layers.")
        private boolean full;

        @Option(
                names = "--sample",
                paramLabel = "N",
                required = true,
                description = "That many layers, drawn at random.")
        private int sample;
    }

    /** What is remembered from run to run. */
    static final class Memory {
        @Option(
                names = "--since-last",
                description =
                        "Only layers that no run has found good yet. What is found good is remembered; a run that was broken off goes on.")
        private boolean sinceLast;

        @Option(
                names = "--proofs",
                paramLabel = "FILE",
                description =
                        "Remember what was found good in that file; with --since-last and without this, in the store.")
        private @Nullable Path file;

        @Option(
                names = "--again-after",
                paramLabel = "TIME",
                converter = Age.class,
                description =
                        "With --since-last: what was found good longer ago (12h, 30d) is read again.")
        private @Nullable Duration againAfter;

        /** Null: nothing is remembered. */
        private @Nullable ProofsPlace place(RemoteStore store) {
            if (againAfter != null && !sinceLast) {
                throw PageserverException.badRequest("--again-after goes with --since-last");
            }
            if (file != null) {
                return new ProofsPlace.InFile(file);
            }
            return sinceLast ? new ProofsPlace.InStore(store) : null;
        }

        private Instant earliest() {
            return againAfter == null ? Instant.EPOCH : Instant.now().minus(againAfter);
        }
    }

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private StoreOptions options = new StoreOptions();

    @ArgGroup(multiplicity = "1")
    private Extent extent = new Extent();

    @ArgGroup(exclusive = false)
    private Memory memory = new Memory();

    @Option(names = "--tenant", paramLabel = "TENANT", description = "One tenant only.")
    private @Nullable String only;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (!extent.full && extent.sample < 1) {
            throw PageserverException.badRequest("--sample takes a number from 1 on");
        }
        Path directory = Files.createTempDirectory("palimpsest-verify-");
        try (StoreConnection connection = options.open()) {
            RemoteStore store = StoreOptions.remote(connection);
            ProofsPlace place = memory.place(store);
            Proofs proofs = place == null ? new Proofs() : place.load();
            StoredLayers layers =
                    StoredLayers.read(store, only == null ? null : TenantShardId.parse(only));
            StoredLayers.Sorted sorted =
                    memory.sinceLast
                            ? layers.sort(proofs, memory.earliest())
                            : new StoredLayers.Sorted(layers.all(), 0, null);
            LayerVerification verification =
                    new LayerVerification(store, new NioDisk(directory), proofs);
            layers.failures().forEach(verification::failed);
            try {
                run(verification, toRead(sorted.unproved()), place, proofs);
            } finally {
                // Also what was proved before something failed.
                if (place != null) {
                    proofs.removeIf(layers::gone);
                    place.save(proofs);
                }
            }
            print(verification, sorted, place);
            return verification.damages().isEmpty() ? Palimpsest.DONE : Palimpsest.CORRUPT;
        } finally {
            Files.deleteIfExists(directory.resolve(LayerVerification.FILE));
            Files.delete(directory);
        }
    }

    private List<StoredLayers.Named> toRead(List<StoredLayers.Named> unproved) {
        if (extent.full) {
            return unproved;
        }
        Collections.shuffle(unproved, new SecureRandom());
        return unproved.subList(0, Math.min(extent.sample, unproved.size()));
    }

    private void run(
            LayerVerification verification,
            List<StoredLayers.Named> layers,
            @Nullable ProofsPlace place,
            Proofs proofs) {
        long lastLine = System.nanoTime();
        long nextSave = lastLine + SAVE_EVERY_NANOS;
        for (StoredLayers.Named layer : layers) {
            long now = System.nanoTime();
            if (now - lastLine > LINE_EVERY_NANOS) {
                lastLine = now;
                progress(verification, layers.size());
            }
            if (place != null && now - nextSave > 0) {
                place.save(proofs);
                // A record of a large store takes a while to write, too.
                long took = System.nanoTime() - now;
                nextSave = System.nanoTime() + Math.max(SAVE_EVERY_NANOS, 20 * took);
            }
            verification.verify(layer);
        }
    }

    private void progress(LayerVerification verification, int all) {
        PrintWriter err = spec.commandLine().getErr();
        err.println(
                "%d of %d layers, %s"
                        .formatted(verification.layers(), all, Output.bytes(verification.bytes())));
        err.flush();
    }

    private void print(
            LayerVerification verification,
            StoredLayers.Sorted sorted,
            @Nullable ProofsPlace place) {
        PrintWriter out = spec.commandLine().getOut();
        int left = sorted.unproved().size() - verification.layers();
        if (json) {
            Output.json(out, tree(verification, sorted, left, place));
            return;
        }
        for (LayerVerification.Damage damage : verification.damages()) {
            out.println(damage.key() + ": DAMAGED: " + damage.error());
            out.println("  next: " + damage.next());
        }
        int damaged = verification.damages().size();
        out.println(
                "verified %s layers, %s: %s"
                        .formatted(
                                Output.number(verification.layers()),
                                Output.bytes(verification.bytes()),
                                damaged == 0 ? "good" : damaged + " damaged"));
        Instant oldest = sorted.oldest();
        if (oldest != null) {
            out.println(
                    "%s more were found good before, the longest ago at %s"
                            .formatted(Output.number(sorted.proved()), oldest));
        }
        if (left > 0) {
            out.println("%s were not read".formatted(Output.number(left)));
        }
        if (place != null) {
            out.println("remembered in " + place.name());
        }
    }

    private static ObjectNode tree(
            LayerVerification verification,
            StoredLayers.Sorted sorted,
            int left,
            @Nullable ProofsPlace place) {
        ObjectNode root = Output.object();
        root.put("layers", verification.layers());
        root.put("bytes", verification.bytes());
        root.put("good_before", sorted.proved());
        Instant oldest = sorted.oldest();
        if (oldest != null) {
            root.put("oldest_proof", oldest.toString());
        }
        root.put("not_read", left);
        if (place != null) {
            root.put("remembered_in", place.name());
        }
        ArrayNode damaged = root.putArray("damaged");
        for (LayerVerification.Damage damage : verification.damages()) {
            damaged.addObject()
                    .put("key", damage.key())
                    .put("error", damage.error())
                    .put("next", damage.next());
        }
        return root;
    }
}
