package io.palimpsest.server.redo;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Starts PostgreSQL's unmodified server binary with our library in front, which takes it over. The
 * library drops root's rights, so this may be called as root.
 *
 * @param postgresDirectory holds {@code NN/bin/postgres} of each version
 * @param libraryDirectory holds {@code NN/walredo.so} of each version there is one for ({@code make
 *     walredo})
 * @param preloadLibraries shared_preload_libraries: those that bring custom resource managers
 */
public record PostgresLauncher(
        Path postgresDirectory, Path libraryDirectory, String preloadLibraries)
        implements RedoLauncher {
    @Override
    public @Nullable ProcessBuilder command(int majorVersion, boolean hintBitsLogged) {
        String version = Integer.toString(majorVersion);
        Path postgres = postgresDirectory.resolve(version).resolve("bin").resolve("postgres");
        Path library = libraryDirectory.resolve(version).resolve("walredo.so");
        if (!Files.isExecutable(postgres) || !Files.isReadable(library)) {
            return null;
        }
        List<String> command = new ArrayList<>();
        command.add(postgres.toAbsolutePath().toString());
        command.add(hintBitsLogged ? "on" : "off");
        command.add(preloadLibraries);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().clear();
        builder.environment().put("LD_PRELOAD", library.toAbsolutePath().toString());
        builder.directory(Path.of("/").toFile());
        return builder;
    }

    /** Where the build puts the libraries: beside the server's own code. */
    public static Path builtLibraries() {
        CodeSource source = PostgresLauncher.class.getProtectionDomain().getCodeSource();
        if (source == null) {
            return Path.of("walredo");
        }
        try {
            return Path.of(source.getLocation().toURI()).resolveSibling("walredo");
        } catch (URISyntaxException e) {
            throw new IllegalStateException("the server's own code is at " + source, e);
        }
    }
}
