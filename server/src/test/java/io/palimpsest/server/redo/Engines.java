package io.palimpsest.server.redo;

import io.palimpsest.port.RedoEngine.Mode;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** Pools for tests. */
final class Engines {
    private static final Path POSTGRES = Path.of("/usr/lib/postgresql");

    private Engines() {}

    /** The real thing; where it is not built, says so and skips the test. */
    static WalRedoPool real(int majorVersion, Mode mode, int processes) {
        PostgresLauncher launcher =
                new PostgresLauncher(POSTGRES, PostgresLauncher.builtLibraries(), "");
        if (launcher.command(majorVersion, true) == null) {
            System.out.printf(
                    "SKIPPED: no redo process for PostgreSQL %d here: neither %s nor %s may be missing (make walredo)%n",
                    majorVersion,
                    launcher.postgresDirectory().resolve(majorVersion + "/bin/postgres"),
                    launcher.libraryDirectory().resolve(majorVersion + "/walredo.so"));
            Assumptions.abort("no redo process for PostgreSQL " + majorVersion);
        }
        return pool(launcher, mode, processes, 10_000);
    }

    static WalRedoPool pool(RedoLauncher launcher, Mode mode, int processes, long timeoutMillis) {
        return new WalRedoPool(
                launcher,
                new WalRedoPool.Settings(
                        mode, processes, timeoutMillis * 1_000_000, 60_000_000_000L));
    }
}
