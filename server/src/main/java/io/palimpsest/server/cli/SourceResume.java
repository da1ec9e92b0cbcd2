package io.palimpsest.server.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Has a server follow a PostgreSQL again. */
@Command(
        name = "resume",
        mixinStandardHelpOptions = true,
        description =
                "Follows a PostgreSQL again that was paused, from where that was; source status says how it goes.")
final class SourceResume implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Parameters(
            paramLabel = "SOURCE",
            description = "Its name, or the beginning of its branch's id.")
    private String name = "";

    @Override
    public Integer call() throws InterruptedException {
        return SourcePause.set(spec, options, name, false, false);
    }
}
