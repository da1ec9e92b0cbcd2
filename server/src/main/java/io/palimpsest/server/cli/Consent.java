package io.palimpsest.server.cli;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * Whether what cannot be taken back is done. It is said first; then on a terminal the name has to
 * be typed, and elsewhere {@code --yes} has to be there: a script that forgot it does nothing.
 */
final class Consent {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec command = CommandSpec.create();

    @Option(names = "--dry-run", description = "Only say what would happen.")
    private boolean dryRun;

    @Option(
            names = "--yes",
            description =
                    "Do it. Without, the name has to be typed on a terminal, and nothing is done elsewhere.")
    private boolean yes;

    private String answer = "";

    boolean dryRun() {
        return dryRun;
    }

    /** Is it known already, before anything is said? */
    boolean given() {
        return yes && !dryRun;
    }

    /**
     * Is it to be done? Asks, where somebody is there to answer.
     *
     * @param name what has to be typed
     */
    boolean given(String name) {
        Terminal terminal = Terminal.of(command);
        if (yes || dryRun || !terminal.present()) {
            return given();
        }
        command.commandLine().getErr().print("type " + name + " to do it: ");
        command.commandLine().getErr().flush();
        answer = terminal.line();
        return answer.equals(name);
    }

    /**
     * The exit status of what was done, or not; and why not.
     *
     * @param nothing such as "nothing was deleted"
     */
    int status(boolean done, String nothing) {
        if (done || dryRun) {
            return Palimpsest.DONE;
        }
        command.commandLine()
                .getErr()
                .println(
                        "palimpsest: "
                                + nothing
                                + (answer.isEmpty()
                                        ? ": --yes does it"
                                        : ": what was typed is another name"));
        return Palimpsest.USAGE;
    }
}
