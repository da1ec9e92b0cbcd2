package io.palimpsest.server.cli;

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints what makes a shell complete our commands and options. */
@Command(
        name = "completion",
        mixinStandardHelpOptions = true,
        description = {
            "Prints a script that makes a shell complete commands and options, and names of branches, points and sources, for which it asks the server.",
            "bash, zsh:  source <(palimpsest completion bash)",
            "fish:       palimpsest completion fish | source"
        })
final class Completion implements Callable<Integer> {
    /** Shells there are scripts for. */
    enum Shell {
        bash,
        zsh,
        fish
    }

    @Spec CommandSpec spec = CommandSpec.create();

    @Parameters(paramLabel = "SHELL", description = "One of ${COMPLETION-CANDIDATES}.")
    private Shell shell = Shell.bash;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        CommandLine root = spec.root().commandLine();
        out.println(
                switch (shell) {
                    // One script for both: in zsh it starts zsh's own emulation of bash.
                    case bash, zsh ->
                            AutoComplete.bash(root.getCommandName(), root) + NamedWords.bash(root);
                    case fish -> FishCompletion.script(root);
                });
        return Palimpsest.DONE;
    }
}
