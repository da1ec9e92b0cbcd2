package io.palimpsest.server.config;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** What a server is started with, as arguments: of the server, and of commands that look at it. */
public final class ConfigOptions {
    @Option(
            names = {"-D", "--workdir"},
            paramLabel = "DIR",
            defaultValue = "work",
            description =
                    "The server's working directory, made by it if it is not there. Default: ${DEFAULT-VALUE}.")
    private Path workdir = Path.of("work");

    @Option(
            names = {"-c", "--config-override"},
            paramLabel = "TOML",
            description =
                    "A TOML fragment that overrides pageserver.toml, e.g. \"listen_pg_addr='0.0.0.0:6400'\". Repeatable.")
    private List<String> overrides = List.of();

    public Path workdir() {
        return workdir;
    }

    /**
     * All that it is configured by.
     *
     * @param more fragments, after those that were given
     */
    public List<ConfigText> texts(List<String> more) throws IOException {
        List<String> fragments = new ArrayList<>(overrides);
        fragments.addAll(more);
        return ConfigText.of(workdir, System.getenv(), fragments);
    }
}
