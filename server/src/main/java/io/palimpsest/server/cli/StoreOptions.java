package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.server.config.ConfigText;
import io.palimpsest.server.config.ServerConfig;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SystemClock;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.server.store.StoreConnection;
import io.palimpsest.server.store.StoreSettings;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which object store a command is about: as the page server is told. */
final class StoreOptions {
    @Option(
            names = {"-D", "--workdir"},
            paramLabel = "DIR",
            description = "A page server's working directory, for its pageserver.toml.")
    private @Nullable Path workdir;

    @Option(
            names = {"-c", "--config-override"},
            paramLabel = "TOML",
            description =
                    "As the page server takes it: \"remote_storage={local_path='/some/path/'}\". Repeatable.")
    private List<String> overrides = List.of();

    StoreConnection open() {
        return StoreConnection.open(settings(), System.getenv());
    }

    /** The same with requests tried again, as a page server does it. */
    static RemoteStore remote(StoreConnection connection) {
        return remote(connection.store());
    }

    static RemoteStore remote(ObjectStore store) {
        SystemTasks tasks = new SystemTasks((event, subject, detail) -> {}, (task, failure) -> {});
        return new RemoteStore(
                store,
                new SystemClock(),
                tasks,
                new SecureIds(),
                (event, subject, detail) -> {},
                RemoteLimits.DEFAULT);
    }

    private StoreSettings settings() {
        StoreSettings settings;
        try {
            settings =
                    ServerConfig.read(ConfigText.of(workdir, System.getenv(), overrides))
                            .remoteStorage();
        } catch (IOException e) {
            throw PageserverException.badRequest("the configuration cannot be read: %s", e);
        }
        if (settings == null) {
            throw PageserverException.badRequest(
                    "no remote_storage is configured: give -c \"remote_storage={...}\", or -D with a pageserver.toml that has it");
        }
        return settings;
    }
}
