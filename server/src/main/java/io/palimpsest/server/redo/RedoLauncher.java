package io.palimpsest.server.redo;

import org.jspecify.annotations.Nullable;

/** How to start a redo process. */
public interface RedoLauncher {
    /**
     * The command, not started yet; null if there is no redo process for this version.
     *
     * @param hintBitsLogged data checksums or wal_log_hints are on at the origin of the WAL
     */
    @Nullable ProcessBuilder command(int majorVersion, boolean hintBitsLogged);
}
