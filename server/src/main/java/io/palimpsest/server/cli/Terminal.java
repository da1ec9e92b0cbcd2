package io.palimpsest.server.cli;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Whether a person sits there who can be asked.
 *
 * @param lines what he types, null when he has gone
 */
record Terminal(boolean present, Supplier<@Nullable String> lines) {
    static final Terminal NONE = new Terminal(false, () -> null);

    /** That of the command that runs. */
    static Terminal of(CommandSpec command) {
        return command.root().userObject() instanceof Palimpsest root ? root.terminal : NONE;
    }

    /** What he has typed; empty if nothing. */
    String line() {
        String typed = lines.get();
        return typed == null ? "" : typed.strip();
    }
}
