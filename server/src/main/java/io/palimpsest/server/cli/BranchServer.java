package io.palimpsest.server.cli;

import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import java.io.PrintWriter;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What commands about branches of a running server have in common. */
final class BranchServer {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec command = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Option(
            names = "--tenant",
            paramLabel = "TENANT",
            description = "Whose branches; not needed if the server has one tenant.")
    private @Nullable String tenant;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    boolean json() {
        return json;
    }

    ServerApi open() {
        return server.open();
    }

    TenantId tenant(ServerApi api) throws InterruptedException {
        return Connect.tenant(api, tenant);
    }

    PrintWriter err() {
        return command.commandLine().getErr();
    }

    /** The same; a new one if there is none. */
    TenantId tenantOrNew(ServerApi api) throws InterruptedException {
        return SourceOptions.tenantOrNew(api, tenant == null ? null : TenantId.parse(tenant));
    }

    PrintWriter out() {
        return command.commandLine().getOut();
    }

    /** Tells how far the server is with something long, until it is closed. */
    OperationTalk talk(ServerApi api, TenantId whose, TimelineId timeline) {
        return OperationTalk.begin(api, whose, timeline, command.commandLine().getErr(), json);
    }

    /** Talk. */
    void say(String format, Object... arguments) {
        command.commandLine().getErr().println(format.formatted(arguments));
        command.commandLine().getErr().flush();
    }
}
