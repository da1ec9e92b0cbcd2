package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.server.connect.Copy;
import io.palimpsest.server.connect.CopyServer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Lists the copies on this machine. */
@Command(
        name = "list",
        aliases = "ls",
        mixinStandardHelpOptions = true,
        description = "Lists the copies on this machine.")
final class ConnectList implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Option(names = "--home", paramLabel = "DIR", description = "Where copies lie.")
    private Path home = Copy.home();

    @Option(names = "--json", description = "Print one object.")
    private boolean json;

    @Override
    public Integer call() {
        List<Copy> copies = Copy.list(home.toAbsolutePath());
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            ObjectNode o = Output.object();
            ArrayNode list = o.putArray("copies");
            copies.forEach(
                    copy -> describe(list.addObject(), copy, new CopyServer(copy).isRunning()));
            Output.json(out, o);
            return Palimpsest.DONE;
        }
        Output.Table table =
                new Output.Table("name", "state", "branch of", "LSN", "PG", ">port", "made");
        copies.forEach(copy ->
                table.row(
                        copy.name(),
                        new CopyServer(copy).isRunning() ? "runs" : "stopped",
                        copy.source(),
                        copy.lsn(),
                        copy.major(),
                        copy.port(),
                        copy.made()));
        table.print(out);
        return Palimpsest.DONE;
    }

    static void describe(ObjectNode o, Copy copy, boolean running) {
        o.put("name", copy.name())
                .put("running", running)
                .put("directory", copy.directory().toString())
                .put("tenant", copy.tenant().toString())
                .put("branch", copy.branch().toString())
                .put("source", copy.source().toString())
                .put("lsn", copy.lsn())
                .put("pg_version", copy.major())
                .put("socket_directory", copy.socketDirectory().toString())
                .put("port", copy.port())
                .put("tcp", copy.tcp())
                .put("user", copy.user())
                .put("keep", copy.keep())
                .put("made", copy.made().toString());
    }
}
