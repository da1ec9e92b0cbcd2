package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import java.io.Console;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * The command line for people and scripts: data goes to the standard output, talk to the standard
 * error, and the exit status says what happened.
 */
@Command(
        name = "palimpsest",
        mixinStandardHelpOptions = true,
        version = "palimpsest " + Palimpsest.VERSION,
        description =
                "Operates a running page server, looks at its files and its object store, and starts a PostgreSQL on a branch. The server itself is pageserver.",
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
                    "compact",
                    "gc",
                    "layer",
                    "lease",
                    "operation",
                    "page",
                    "point",
                    "source",
                    "store",
                    "tenant",
                    "token",
                    "check",
                    "completion",
                    "config",
                    "connect",
                    "export",
                    "import",
                    "info",
                    "names",
                    "ready",
                    "restore",
                    "status",
                    "version");

    static final String VERSION = "0.1.0";

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
                    "Branches of a running server: create, list, show, log, diff, rename, reset, restore, promote, protect, unprotect, expire, delete.")
    static final class Branch {}

    /** Compaction of a running server. */
    @Command(
            name = "compact",
            mixinStandardHelpOptions = true,
            description = "Compaction of a running server: run.")
    static final class Compact {}

    /** Garbage collection of a running server. */
    @Command(
            name = "gc",
            mixinStandardHelpOptions = true,
            description = "Garbage collection of a running server: plan, run.")
    static final class Gc {}

    /** Points of the history of branches. */
    @Command(
            name = "point",
            mixinStandardHelpOptions = true,
            description =
                    "Points of the history of branches: resolve, list, create, pin, unpin, delete.")
    static final class Points {}

    /** Layer files. */
    @Command(
            name = "layer",
            mixinStandardHelpOptions = true,
            description = "Layer files: check, dump, map.")
    static final class Layer {}

    /** LSNs that stay readable for a while. */
    @Command(
            name = "lease",
            mixinStandardHelpOptions = true,
            description =
                    "LSNs of a running server that stay readable for a while: list, add, drop.")
    static final class Leases {}

    /** What a running server does that takes long. */
    @Command(
            name = "operation",
            aliases = "op",
            mixinStandardHelpOptions = true,
            description = "What a running server does that takes long: list, watch, cancel.")
    static final class Operation {}

    /** Pages. */
    @Command(
            name = "page",
            mixinStandardHelpOptions = true,
            description = "Pages in a timeline's files: explain, history, diff.")
    static final class Page {}

    /** Object stores. */
    @Command(
            name = "store",
            mixinStandardHelpOptions = true,
            description = "Object stores: check, du, restore, scrub, verify.")
    static final class Store {}

    /** PostgreSQLs that are followed. */
    @Command(
            name = "source",
            mixinStandardHelpOptions = true,
            description =
                    "PostgreSQLs that a running server follows: add, check, move, rewind, pause, resume, drop, list, status.")
    static final class Source {}

    /** Tenants of a running server. */
    @Command(
            name = "tenant",
            mixinStandardHelpOptions = true,
            description =
                    "Tenants of a running server: attach, config, delete, list, locate, show.")
    static final class Tenant {}

    /** Tokens. */
    @Command(
            name = "token",
            mixinStandardHelpOptions = true,
            description = "Tokens that a server asks for: create, inspect.")
    static final class Token {}

    @Option(
            names = {"-q", "--quiet"},
            scope = CommandLine.ScopeType.INHERIT,
            description = "Say only what is wrong, besides the data.")
    private boolean quiet;

    /** Who can be asked. */
    final Terminal terminal;

    private Palimpsest(Terminal terminal) {
        this.terminal = terminal;
    }

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
                        console != null && console.isTerminal()
                                ? new Terminal(true, console::readLine)
                                : Terminal.NONE,
                        args));
    }

    /** All commands. */
    static CommandLine commandLine() {
        return commandLine(Terminal.NONE, "", "");
    }

    /** What people also say for a command. */
    private static String command(String word, String otherwise) {
        return switch (word) {
            case "doctor" -> "check";
            case "op" -> "operation";
            default -> otherwise;
        };
    }

    /** The command that is named, for each costs time; all of them where it is none. */
    private static CommandLine commandLine(Terminal terminal, String word, String verb) {
        CommandLine line = new CommandLine(new Palimpsest(terminal));
        String noun = command(word, word);
        boolean one = COMMANDS.contains(noun) && !noun.equals("completion");
        for (String name : one ? List.of(noun) : COMMANDS) {
            CommandLine command = new CommandLine(command(name));
            line.addSubcommand(name, command);
            List<Verb> verbs = verbs(name);
            for (Verb known : verbs) {
                if (known.is(verb)) {
                    verbs = List.of(known);
                }
            }
            verbs.forEach(below -> command.addSubcommand(below.type));
        }
        return line;
    }

    private static Class<?> command(String name) {
        return switch (name) {
            case "branch" -> Branch.class;
            case "check" -> ServerCheck.class;
            case "compact" -> Compact.class;
            case "gc" -> Gc.class;
            case "layer" -> Layer.class;
            case "lease" -> Leases.class;
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
            case "info" -> Info.class;
            case "names" -> Names.class;
            case "ready" -> Ready.class;
            case "restore" -> Restore.class;
            case "status" -> ServerStatus.class;
            case "version" -> Version.class;
            default -> throw new IllegalArgumentException(name);
        };
    }

    /**
     * A command below a noun, told by its names without looking at its class, which costs time.
     *
     * @param names those of its annotation: a test compares them
     */
    record Verb(Class<?> type, String... names) {
        boolean is(String name) {
            return Arrays.asList(names).contains(name);
        }
    }

    /** What is below a noun, in the order of the help; empty if that is a command itself. */
    static List<Verb> verbs(String noun) {
        return switch (noun) {
            case "branch" ->
                    List.of(
                            new Verb(BranchCreate.class, "create"),
                            new Verb(BranchList.class, "list", "ls"),
                            new Verb(BranchShow.class, "show"),
                            new Verb(BranchLog.class, "log"),
                            new Verb(BranchDiff.class, "diff"),
                            new Verb(BranchRename.class, "rename"),
                            new Verb(BranchReset.class, "reset"),
                            new Verb(BranchRestore.class, "restore"),
                            new Verb(BranchPromote.class, "promote"),
                            new Verb(BranchProtect.class, "protect"),
                            new Verb(BranchUnprotect.class, "unprotect"),
                            new Verb(BranchExpire.class, "expire"),
                            new Verb(BranchDelete.class, "delete", "rm"));
            case "compact" -> List.of(new Verb(CompactRun.class, "run"));
            case "gc" -> List.of(new Verb(GcPlan.class, "plan"), new Verb(GcRun.class, "run"));
            case "point" ->
                    List.of(
                            new Verb(PointResolve.class, "resolve"),
                            new Verb(PointList.class, "list", "ls"),
                            new Verb(PointCreate.class, "create"),
                            new Verb(PointPin.class, "pin", "keep"),
                            new Verb(PointUnpin.class, "unpin"),
                            new Verb(PointDelete.class, "delete", "rm"));
            case "layer" ->
                    List.of(
                            new Verb(LayerCheck.class, "check"),
                            new Verb(LayerDump.class, "dump"),
                            new Verb(LayerMap.class, "map"));
            case "lease" ->
                    List.of(
                            new Verb(LeaseList.class, "list", "ls"),
                            new Verb(LeaseAdd.class, "add"),
                            new Verb(LeaseDrop.class, "drop", "rm"));
            case "operation" ->
                    List.of(
                            new Verb(OperationList.class, "list", "ls"),
                            new Verb(OperationWatch.class, "watch"),
                            new Verb(OperationCancel.class, "cancel"));
            case "page" ->
                    List.of(
                            new Verb(PageExplain.class, "explain"),
                            new Verb(PageHistory.class, "history"),
                            new Verb(PageDiff.class, "diff"));
            case "store" ->
                    List.of(
                            new Verb(StoreCheck.class, "check"),
                            new Verb(StoreDu.class, "du"),
                            new Verb(StoreRestore.class, "restore"),
                            new Verb(StoreScrub.class, "scrub"),
                            new Verb(StoreVerify.class, "verify"));
            case "source" ->
                    List.of(
                            new Verb(SourceAdd.class, "add"),
                            new Verb(SourceCheck.class, "check"),
                            new Verb(SourceMove.class, "move"),
                            new Verb(SourceRewind.class, "rewind"),
                            new Verb(SourcePause.class, "pause"),
                            new Verb(SourceResume.class, "resume"),
                            new Verb(SourceDrop.class, "drop", "rm"),
                            new Verb(SourceList.class, "list", "ls"),
                            new Verb(SourceStatus.class, "status"));
            case "tenant" ->
                    List.of(
                            new Verb(TenantAttach.class, "attach"),
                            new Verb(TenantConfigure.class, "config"),
                            new Verb(TenantDelete.class, "delete", "rm"),
                            new Verb(TenantList.class, "list", "ls"),
                            new Verb(TenantLocate.class, "locate"),
                            new Verb(TenantShow.class, "show"));
            case "token" ->
                    List.of(
                            new Verb(TokenCreate.class, "create", "issue"),
                            new Verb(TokenInspect.class, "inspect"));
            default -> List.of();
        };
    }

    /**
     * @param terminal does a person watch the standard error, and can be asked?
     * @return the exit status
     */
    public static int run(PrintWriter out, PrintWriter err, boolean terminal, String... args) {
        return run(out, err, terminal ? new Terminal(true, () -> null) : Terminal.NONE, args);
    }

    /** The same, with what he types. */
    static int run(PrintWriter out, PrintWriter err, Terminal terminal, String... args) {
        CommandLine line =
                commandLine(
                        terminal, args.length == 0 ? "" : args[0], args.length < 2 ? "" : args[1]);
        line.setOut(out);
        line.setErr(err);
        line.setExecutionExceptionHandler(new Failures());
        line.setExecutionStrategy(new Execution());
        for (CommandLine noun : line.getSubcommands().values()) {
            for (CommandLine verb : noun.getSubcommands().values()) {
                if (verb.getCommand() instanceof LayerCheck check) {
                    check.terminal = terminal.present();
                }
            }
        }
        int status = line.execute(args);
        out.flush();
        err.flush();
        return status;
    }

    /** A class rather than a lambda: what Java makes for its first lambda costs time to start. */
    private static final class Failures implements CommandLine.IExecutionExceptionHandler {
        @Override
        public int handleExecutionException(
                Exception e, CommandLine command, CommandLine.ParseResult parsed) throws Exception {
            if (!(e instanceof PageserverException wrong)) {
                throw e;
            }
            command.getErr().println("palimpsest: " + e.getMessage());
            return status(wrong);
        }
    }

    /** The command runs; if it is to be quiet, it is not heard. */
    private static final class Execution implements CommandLine.IExecutionStrategy {
        @Override
        public int execute(CommandLine.ParseResult parsed) {
            CommandLine root = parsed.commandSpec().commandLine();
            if (((Palimpsest) root.getCommand()).quiet) {
                root.setErr(new PrintWriter(new QuietWriter(root.getErr()), true));
            }
            return new CommandLine.RunLast().execute(parsed);
        }
    }

    private static int status(PageserverException e) {
        if (e.getCause() instanceof ServerApi.NoAnswer) {
            return UNREACHABLE;
        }
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
                    CANCELLED,
                    SHUTTING_DOWN ->
                    FAILED;
        };
    }
}
