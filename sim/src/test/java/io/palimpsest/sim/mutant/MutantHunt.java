package io.palimpsest.sim.mutant;

import io.palimpsest.sim.Main;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Looks for a mutant in rows of seeds, each in a process of its own: the simulator as it is, with
 * the planted class in front of the class path. Whatever the simulator calls a failure finds it,
 * for without the bug none of these seeds fails.
 */
final class MutantHunt {
    private static final Pattern SEED = Pattern.compile("seed (\\d+), scenario [^:]*: (.*)");
    private static final Pattern STATE = Pattern.compile("crash-points: protocol [^:]*: (.*)");
    private static final Pattern REPLAY = Pattern.compile("\\s*replay: .*SEED=(\\d+)");
    private static final int ROW = 1000;
    private static final int MINUTES = 10;

    /**
     * What came of one row.
     *
     * @param seeds how many it took; 0 if it was not found
     * @param how the simulator has told it; or what became of the process
     */
    record Found(long seeds, String how) {}

    private final Mutant mutant;
    private final Path classes;
    private final int most;

    /**
     * @param classes of the mutant
     * @param most seeds of a row
     */
    MutantHunt(Mutant mutant, Path classes, int most) {
        this.mutant = mutant;
        this.classes = classes;
        this.most = most;
    }

    /** Row {@code n} begins with seed 1000 n + 1. */
    Found row(int n) throws IOException, InterruptedException {
        long first = (long) n * ROW + 1;
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.add("-cp");
        command.add(classes + System.getProperty("path.separator") + classPath());
        command.add(Main.class.getName());
        command.addAll(mutant.hunt(first, most));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        try {
            Thread watch =
                    Thread.ofVirtual()
                            .start(() -> {
                                try {
                                    if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
                                        process.destroyForcibly();
                                    }
                                } catch (InterruptedException e) {
                                    process.destroyForcibly();
                                }
                            });
            Found found = read(process, first);
            int status = process.waitFor();
            watch.join();
            return found != null
                    ? found
                    : new Found(0, "not found, the process ended with status " + status);
        } finally {
            process.destroyForcibly();
        }
    }

    private static String classPath() {
        return System.getProperty("java.class.path");
    }

    private static @Nullable Found read(Process process, long first) throws IOException {
        Found found = null;
        String state = null;
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Matcher seed = SEED.matcher(line);
                Matcher crash = STATE.matcher(line);
                Matcher replay = REPLAY.matcher(line);
                if (found == null && seed.matches()) {
                    found = new Found(Long.parseLong(seed.group(1)) - first + 1, seed.group(2));
                } else if (state == null && crash.matches()) {
                    state = crash.group(1);
                } else if (found == null && state != null && replay.matches()) {
                    found = new Found(Long.parseLong(replay.group(1)) - first + 1, state);
                }
            }
        }
        return found;
    }
}
