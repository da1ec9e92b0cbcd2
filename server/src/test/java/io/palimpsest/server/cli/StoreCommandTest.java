package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.Generation;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.GoldenStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.remote.TenantManifest.Entry;
import io.palimpsest.server.store.LocalStore;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Commands about a store that holds one tenant: the golden store's layers and indexes. */
abstract class StoreCommandTest {
    static final TenantShardId TENANT = TenantShardId.parse("11111111111111111111111111111111");

    @TempDir Path directory;

    final StringWriter out = new StringWriter();
    final StringWriter err = new StringWriter();
    final TreeSet<String> layers = new TreeSet<>(Comparator.naturalOrder());
    final List<Entry> timelines = new ArrayList<>();

    @BeforeEach
    void fill() {
        for (String path : GoldenStore.files(1)) {
            byte[] bytes = GoldenStore.read(1, path);
            if (path.endsWith("/index")) {
                put(path + "-00000001", bytes);
                String[] parts = path.split("/");
                timelines.add(new Entry(TimelineId.parse(parts[3]), Generation.FIRST, false, null));
            } else if (path.contains("__")) {
                put(path, bytes);
                layers.add(path);
            }
        }
        assertTrue(layers.size() > 5, layers.toString());
        manifest(Generation.FIRST, timelines);
    }

    void manifest(Generation generation, List<Entry> entries) {
        put(
                RemotePath.manifest(TENANT, generation),
                TenantManifest.bare(TENANT, generation, 7, 7)
                        .complete(TenantOverrides.NONE, entries)
                        .encode());
    }

    LocalStore store() {
        return new LocalStore(directory.resolve("store"));
    }

    void put(String key, byte[] bytes) {
        String _ = store().put(key, Content.of(bytes), Condition.ALWAYS);
    }

    int run(String command, String... args) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        String config = "remote_storage={local_path='" + directory.resolve("store") + "'}";
        String[] words =
                Stream.concat(Stream.of("store", command, "-c", config), Stream.of(args))
                        .toArray(String[]::new);
        return Palimpsest.run(new PrintWriter(out), new PrintWriter(err), Terminal.NONE, words);
    }

    JsonNode json() throws IOException {
        return new ObjectMapper().readTree(out.toString());
    }
}
