package io.palimpsest.sim;

import io.palimpsest.sim.crash.CrashPoints;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Enumerates the crash points of the durable protocols.
 *
 * <pre>
 *   crash-points [--seed N] [--seeds N] [--protocol NAME] [--state N]
 * </pre>
 *
 * The seed chooses what the protocols work on; with {@code --state} the enumeration ends there. The
 * last line is {@code crash-points: protocols=N states=N failed=0 ...}; exit status as that of
 * {@link Main}.
 */
final class CrashPointsCommand {
    private CrashPointsCommand() {}

    static int run(String[] args, PrintStream out) {
        long seed = 1;
        long seeds = 1;
        long state = Long.MAX_VALUE;
        boolean firstFailure = false;
        List<String> protocols = CrashPoints.protocols();
        try {
            for (Map.Entry<String, String> option : Arguments.of(args).entrySet()) {
                String value = option.getValue();
                switch (option.getKey()) {
                    case "--seed" -> seed = Long.parseLong(value);
                    case "--seeds" -> seeds = Long.parseLong(value);
                    case "--state" -> state = Long.parseLong(value);
                    case "--first-failure" -> firstFailure = Boolean.parseBoolean(value);
                    case "--protocol" -> {
                        if (!protocols.contains(value)) {
                            throw new IllegalArgumentException(
                                    "expected a protocol of " + protocols + ", found " + value);
                        }
                        protocols = List.of(value);
                    }
                    default ->
                            throw new IllegalArgumentException("unknown option " + option.getKey());
                }
            }
        } catch (IllegalArgumentException e) {
            out.println(
                    "crash-points: "
                            + e.getMessage()
                            + "; usage: crash-points [--seed N] [--seeds N] [--protocol NAME]"
                            + " [--state N] [--first-failure true]");
            return 2;
        }
        return run(protocols, seed, seeds, state, firstFailure, out);
    }

    private static int run(
            List<String> protocols,
            long firstSeed,
            long seeds,
            long lastState,
            boolean firstFailure,
            PrintStream out) {
        long start = System.nanoTime();
        long states = 0;
        long distinct = 0;
        int failed = 0;
        for (String protocol : protocols) {
            for (long seed = firstSeed;
                    seed < firstSeed + seeds && !(firstFailure && failed > 0);
                    seed++) {
                CrashPoints.Result r = CrashPoints.run(protocol, seed, lastState);
                states += r.states();
                distinct += r.distinct();
                if (r.outcome().failure() != null) {
                    failed++;
                    out.println(r.report());
                }
            }
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        out.printf(
                Locale.ROOT,
                "crash-points: protocols=%d states=%d failed=%d distinct=%d wall_seconds=%.1f"
                        + " states_per_second=%.0f%n",
                protocols.size(),
                states,
                failed,
                distinct,
                seconds,
                states / seconds);
        return failed == 0 ? 0 : 1;
    }
}
