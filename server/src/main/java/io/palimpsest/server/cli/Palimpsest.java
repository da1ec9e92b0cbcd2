package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import java.io.Console;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/**
 * The command line for people and scripts: data goes to the standard output, talk to the standard
 * error, and the exit status says what happened.
 */
@Command(
        name = "palimpsest",
        mixinStandardHelpOptions = true,
        version = "palimpsest 0.1.0",
        description =
                "Looks at a page server's files and its object store, and starts a PostgreSQL on a branch. The server itself is pageserver.",
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            "0:done",
            "1:failed",
            "2:wrong arguments",
            "3:not found",
            "4:it is not in a state for that, or something else is going on",
            "5:the LSN is outside of what can be read",
            "6:corruption found",
            "7:the server does not answer",
            "8:not allowed"
        })
public final class Palimpsest {
    /** In the order of the help. */
    private static final List<String> COMMANDS =
            List.of(
                    "branch",
                    "gc",
                    "layer",
                    "operation",
                    "page",
                    "point",
                    "source",
                    "store",
                    "tenant",
                    "token",
                    "completion",
                    "config",
                    "connect",
                    "export",
                    "import",
                    "names",
                    "ready");

    static final int DONE = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int NOT_FOUND = 3;
    static final int CONFLICT = 4;
    static final int OUT_OF_RANGE = 5;
    static final int CORRUPT = 6;
    static final int UNREACHABLE = 7;
    static final int NOT_ALLOWED = 8;

    /** Branches of a running server. */
    @Command(
            name = "branch",
            mixinStandardHelpOptions = true,
            description =
                    "Branches of a running server: create, list, show, log, diff, rename, reset, restore, promote, protect, unprotect, expire, delete.",
            subcommands = {
                BranchCreate.class,
                BranchList.class,
                BranchShow.class,
                BranchLog.class,
                BranchDiff.class,
                BranchRename.class,
                BranchReset.class,
                BranchRestore.class,
                BranchPromote.class,
                BranchProtect.class,
                BranchUnprotect.class,
                BranchExpire.class,
                BranchDelete.class
            })
    static final class Branch {}

    /** Garbage collection of a running server. */
    @Command(
            name = "gc",
            mixinStandardHelpOptions = true,
            description = "Garbage collection of a running server: plan.",
            subcommands = GcPlan.class)
    static final class Gc {}

    /** Points of the history of branches. */
    @Command(
            name = "point",
            mixinStandardHelpOptions = true,
            description =
                    "Points of the history of branches: resolve, list, create, pin, unpin, delete.",
            subcommands = {
                PointResolve.class,
                PointList.class,
                PointCreate.class,
                PointPin.class,
                PointUnpin.class,
                PointDelete.class
            })
    static final class Points {}

    /** Layer files. */
    @Command(
            name = "layer",
            mixinStandardHelpOptions = true,
            description = "Layer files: check, dump, map.",
            subcommands = {LayerCheck.class, LayerDump.class, LayerMap.class})
    static final class Layer {}

    /** What a running server does that takes long. */
    @Command(
            name = "operation",
            mixinStandardHelpOptions = true,
            description = "What a running server does that takes long: list, watch.",
            subcommands = {OperationList.class, OperationWatch.class})
    static final class Operation {}

    /** Pages. */
    @Command(
            name = "page",
            mixinStandardHelpOptions = true,
            description = "Pages: explain.",
            subcommands = PageExplain.class)
    static final class Page {}

    /** Object stores. */
    @Command(
            name = "store",
            mixinStandardHelpOptions = true,
            description = "Object stores: check, du, restore, scrub, verify.",
            subcommands = {
                StoreCheck.class,
                StoreDu.class,
                StoreRestore.class,
                StoreScrub.class,
                StoreVerify.class
            })
    static final class Store {}

    /** PostgreSQLs that are followed. */
    @Command(
            name = "source",
            mixinStandardHelpOptions = true,
            description =
                    "PostgreSQLs that a running server follows: add, check, drop, list, status.",
            subcommands = {
                SourceAdd.class,
                SourceCheck.class,
                SourceMove.class,
                SourceRewind.class,
                SourceDrop.class,
                SourceList.class,
                SourceStatus.class
            })
    static final class Source {}

    /** Tenants of a running server. */
    @Command(
            name = "tenant",
            mixinStandardHelpOptions = true,
            description = "Tenants of a running server: attach, config, locate.",
            subcommands = {TenantAttach.class, TenantConfigure.class, TenantLocate.class})
    static final class Tenant {}

    /** Tokens. */
    @Command(
            name = "token",
            mixinStandardHelpOptions = true,
            description = "Tokens that a server asks for: create.",
            subcommands = TokenCreate.class)
    static final class Token {}

    private Palimpsest() {}

    @SuppressWarnings("SystemConsoleNull") // it says that it may be
    public static void main(String[] args) {
        Console console = System.console();
        // Netty and others have much to tell; this is no server. Nothing is loaded for it until
        // somebody logs.
        System.setProperty("palimpsest.log.level", "WARN");
        System.exit(
                run(
                        new PrintWriter(System.out, true, StandardCharsets.UTF_8),
                        new PrintWriter(System.err, true, StandardCharsets.UTF_8),
                        console != null && console.isTerminal(),
                        args));
    }

    /** All commands. */
    static CommandLine commandLine() {
        return commandLine("");
    }

    /** The command that is named, for each costs time; all of them if it is none. */
    private static CommandLine commandLine(String named) {
        CommandLine line = new CommandLine(new Palimpsest());
        boolean one = COMMANDS.contains(named) && !named.equals("completion");
        for (String name : one ? List.of(named) : COMMANDS) {
            line.addSubcommand(name, command(name));
        }
        return line;
    }

    private static Class<?> command(String name) {
        return switch (name) {
            case "branch" -> Branch.class;
            case "gc" -> Gc.class;
            case "layer" -> Layer.class;
            case "operation" -> Operation.class;
            case "page" -> Page.class;
            case "point" -> Points.class;
            case "source" -> Source.class;
            case "store" -> Store.class;
            case "tenant" -> Tenant.class;
            case "token" -> Token.class;
            case "completion" -> Completion.class;
            case "config" -> Config.class;
            case "connect" -> Connect.class;
            case "export" -> Export.class;
            case "import" -> Import.class;
            case "names" -> Names.class;
            case "ready" -> Ready.class;
            default -> throw new IllegalArgumentException(name);
        };
    }

    /**
     * @param terminal does a person watch the standard error?
     * @return the exit status
     */
    static int run(PrintWriter out, PrintWriter err, boolean terminal, String... args) {
        CommandLine line = commandLine(args.length == 0 ? "" : args[0]);
        line.setOut(out);
        line.setErr(err);
        line.setExecutionExceptionHandler((e, command, parsed) -> {
            if (!(e instanceof PageserverException wrong)) {
                throw e;
            }
            command.getErr().println("palimpsest: " + e.getMessage());
            return status(wrong);
        });
        for (CommandLine noun : line.getSubcommands().values()) {
            for (CommandLine verb : noun.getSubcommands().values()) {
                if (verb.getCommand() instanceof LayerCheck check) {
                    check.terminal = terminal;
                }
            }
        }
        int status = line.execute(args);
        out.flush();
        err.flush();
        return status;
    }

    private static int status(PageserverException e) {
        return switch (e.code()) {
            case BAD_REQUEST -> USAGE;
            case NOT_FOUND -> NOT_FOUND;
            case LSN_OUT_OF_RANGE, LSN_TIMEOUT -> OUT_OF_RANGE;
            case CORRUPTION -> CORRUPT;
            case CONFLICT, PRECONDITION_FAILED -> CONFLICT;
            case UNAUTHORIZED, FORBIDDEN -> NOT_ALLOWED;
            case UNSUPPORTED,
                    SOURCE_BROKEN,
                    IO,
                    NO_SPACE,
                    DENIED,
                    THROTTLED,
                    UNAVAILABLE,
                    SHUTTING_DOWN ->
                    FAILED;
        };
    }
}
