package io.palimpsest.sim;

import java.io.IOException;
import java.io.PrintStream;

/**
 * Runs the scenarios by seed ({@link RunCommand}), enumerates crash points ({@link
 * CrashPointsCommand}), shows what happened in one run ({@link ExplainCommand}), says how fast it
 * is ({@link MeasuresCommand}), or runs histories for another JVM ({@link TraceCommand}).
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        System.exit(run(args, System.out, System.err));
    }

    /** The exit status: 0, 1 if something was found, 2 if the arguments are wrong. */
    static int run(String[] args, PrintStream out, PrintStream err)
            throws IOException, InterruptedException {
        if (args.length > 0 && args[0].equals("crash-points")) {
            return CrashPointsCommand.run(args, out);
        }
        if (args.length > 0 && args[0].equals("explain")) {
            return ExplainCommand.run(args, out);
        }
        if (args.length > 0 && args[0].equals("measures")) {
            return MeasuresCommand.run(args, out);
        }
        if (args.length > 0 && args[0].equals("trace")) {
            return TraceCommand.run(args, out);
        }
        Options options;
        try {
            options = Options.parse(args);
        } catch (IllegalArgumentException e) {
            out.println("sim: " + e.getMessage() + "; usage: " + Options.USAGE);
            return 2;
        }
        return new RunCommand(options, out, err).run();
    }
}
