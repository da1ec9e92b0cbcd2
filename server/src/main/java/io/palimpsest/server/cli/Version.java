package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Which version of the command line this is. */
@Command(
        name = "version",
        mixinStandardHelpOptions = true,
        description =
                "Says which version this is, and on which Java it runs. That of a server: palimpsest status.")
final class Version implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        String java = System.getProperty("java.version");
        if (json) {
            ObjectNode o = Output.object();
            o.put("version", Palimpsest.VERSION).put("java", java);
            Output.json(out, o);
        } else {
            out.println("palimpsest " + Palimpsest.VERSION + ", Java " + java);
        }
        return Palimpsest.DONE;
    }
}
