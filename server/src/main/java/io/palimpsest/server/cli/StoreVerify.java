package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.port.Disk;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.server.disk.NioDisk;
import io.palimpsest.server.store.StoreConnection;
import io.palimpsest.timeline.StoreReview;
import io.palimpsest.timeline.StoredTenant;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
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

    /** The only name anything gets on our disk. */
    private static final String FILE = "layer";

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

    private record Job(TenantShardId tenant, TimelineId branch, LayerDescriptor layer) {
        String key() {
            return RemotePath.layer(tenant, branch, layer.name());
        }
    }

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private StoreOptions options = new StoreOptions();

    @ArgGroup(multiplicity = "1")
    private Extent extent = new Extent();

    @Option(names = "--tenant", paramLabel = "TENANT", description = "One tenant only.")
    private @Nullable String only;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    private final ObjectNode result = Output.object();
    private final ArrayNode damaged = result.putArray("damaged");

    @Override
    public Integer call() throws IOException {
        if (!extent.full && extent.sample < 1) {
            throw PageserverException.badRequest("--sample takes a number from 1 on");
        }
        int verified;
        long bytes = 0;
        Path directory = Files.createTempDirectory("palimpsest-verify-");
        try (StoreConnection connection = options.open()) {
            RemoteStore store = StoreOptions.remote(connection);
            List<Job> jobs = jobs(store);
            if (!extent.full) {
                Collections.shuffle(jobs, new SecureRandom());
                jobs = jobs.subList(0, Math.min(extent.sample, jobs.size()));
            }
            verified = jobs.size();
            long lastLine = System.nanoTime();
            for (int i = 0; i < jobs.size(); i++) {
                if (System.nanoTime() - lastLine > LINE_EVERY_NANOS) {
                    lastLine = System.nanoTime();
                    progress(i, jobs.size(), bytes);
                }
                bytes += verify(store, jobs.get(i), new NioDisk(directory));
            }
        } finally {
            Files.deleteIfExists(directory.resolve(FILE));
            Files.delete(directory);
        }
        print(verified, bytes);
        return damaged.isEmpty() ? Palimpsest.DONE : Palimpsest.CORRUPT;
    }

    private List<Job> jobs(RemoteStore store) {
        List<TenantShardId> tenants =
                only == null ? new StoreReview(store).list() : List.of(TenantShardId.parse(only));
        List<Job> jobs = new ArrayList<>();
        boolean any = false;
        for (TenantShardId tenant : tenants) {
            StoredTenant stored;
            try {
                stored = StoredTenant.read(store, tenant);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.CORRUPTION) {
                    throw e;
                }
                any = true;
                damaged(RemotePath.manifests(tenant), String.valueOf(e.getMessage()));
                continue;
            }
            any |= stored.claimed() > 0;
            for (StoredTenant.Branch branch : stored.branches()) {
                if (branch.failure() != null) {
                    damaged(RemotePath.timeline(tenant, branch.id()), branch.failure());
                }
                branch.layers().forEach(layer -> jobs.add(new Job(tenant, branch.id(), layer)));
            }
        }
        if (only != null && !any) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "the store has nothing of tenant %s", only);
        }
        return jobs;
    }

    /** Bytes that were read. */
    private long verify(RemoteStore store, Job job, Disk disk) {
        try {
            Stored stored = store.download(job.key(), disk, FILE);
            if (stored.length() != job.layer().size()) {
                throw PageserverException.corruption(
                        "found %d bytes, expected %d (by the index)",
                        stored.length(), job.layer().size());
            }
            BlockCache cache = Place.cache();
            try (LayerFile file = LayerFile.open(disk, FILE, job.layer().name(), cache)) {
                file.verify();
            }
            return stored.length();
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.CORRUPTION) {
                damaged(job.key(), String.valueOf(e.getMessage()));
            } else if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            } else if (named(store, job)) {
                damaged(job.key(), "there is no such object");
            }
            return 0;
        } finally {
            disk.delete(FILE);
        }
    }

    /** Compaction may have replaced it since the index was read. */
    private static boolean named(RemoteStore store, Job job) {
        return StoredTenant.read(store, job.tenant()).branches().stream()
                .filter(branch -> branch.id().equals(job.branch()))
                .flatMap(branch -> branch.layers().stream())
                .anyMatch(layer -> layer.name().equals(job.layer().name()));
    }

    private void damaged(String key, String problem) {
        damaged.addObject().put("key", key).put("error", problem);
        if (!json) {
            spec.commandLine().getOut().println(key + ": DAMAGED: " + problem);
        }
    }

    private void progress(int done, int all, long bytes) {
        spec.commandLine()
                .getErr()
                .println("%d of %d layers, %s".formatted(done, all, Output.bytes(bytes)));
        spec.commandLine().getErr().flush();
    }

    private void print(int layers, long bytes) {
        if (json) {
            result.put("layers", layers);
            result.put("bytes", bytes);
            Output.json(spec.commandLine().getOut(), result);
            return;
        }
        spec.commandLine()
                .getOut()
                .println(
                        "verified %s layers, %s: %s"
                                .formatted(
                                        Output.number(layers),
                                        Output.bytes(bytes),
                                        damaged.isEmpty() ? "good" : damaged.size() + " damaged"));
    }
}
