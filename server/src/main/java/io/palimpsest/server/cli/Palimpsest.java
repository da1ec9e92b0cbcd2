package io.palimpsest.server.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.palimpsest.base.PageserverException;
import java.io.Console;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import org.slf4j.LoggerFactory;
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
        subcommands = {
            Palimpsest.Layer.class,
            Palimpsest.Page.class,
            Palimpsest.Source.class,
            Palimpsest.Store.class,
            Palimpsest.Tenant.class,
            Palimpsest.Token.class,
            Completion.class,
            Config.class,
            Connect.class,
            Export.class,
            Ready.class
        },
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
    static final int DONE = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int NOT_FOUND = 3;
    static final int CONFLICT = 4;
    static final int OUT_OF_RANGE = 5;
    static final int CORRUPT = 6;
    static final int UNREACHABLE = 7;
    static final int NOT_ALLOWED = 8;

    /** Layer files. */
    @Command(
            name = "layer",
            mixinStandardHelpOptions = true,
            description = "Layer files: check, dump, map.",
            subcommands = {LayerCheck.class, LayerDump.class, LayerMap.class})
    static final class Layer {}

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
            description = "PostgreSQLs that a running server follows: add, check, list, status.",
            subcommands = {
                SourceAdd.class,
                SourceCheck.class,
                SourceList.class,
                SourceStatus.class
            })
    static final class Source {}

    /** Tenants of a running server. */
    @Command(
            name = "tenant",
            mixinStandardHelpOptions = true,
            description = "Tenants of a running server: attach, locate.",
            subcommands = {TenantAttach.class, TenantLocate.class})
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
        // Netty and others log at debug level by default; this is no server.
        if (LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME) instanceof Logger root) {
            root.setLevel(Level.WARN);
        }
        System.exit(
                run(
                        new PrintWriter(System.out, true, StandardCharsets.UTF_8),
                        new PrintWriter(System.err, true, StandardCharsets.UTF_8),
                        console != null && console.isTerminal(),
                        args));
    }

    /** All commands. */
    static CommandLine commandLine() {
        return new CommandLine(new Palimpsest());
    }

    /**
     * @param terminal does a person watch the standard error?
     * @return the exit status
     */
    static int run(PrintWriter out, PrintWriter err, boolean terminal, String... args) {
        CommandLine line = commandLine();
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
