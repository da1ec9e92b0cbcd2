package io.palimpsest.sim.mutant;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Plants each bug in turn and says how many seeds it takes to find it.
 *
 * <pre>
 *   Mutants [--rows N] [--seeds N] [--jobs N] [--mutant NAME,...]
 * </pre>
 *
 * One line for each, in order: in how many of the rows it was found, the median of the seeds that
 * took, and how it was told the first time. A bug is found if most rows have found it. The last
 * line is {@code mutants: planted=N found=N}, and the exit status 1 if these differ.
 */
public final class Mutants {
    private static final int TOLD = 110;

    private Mutants() {}

    public static void main(String[] args) throws InterruptedException, ExecutionException {
        int rows = 3;
        int seeds = 100;
        int jobs = 1;
        String only = "";
        for (int i = 0; i + 1 < args.length; i += 2) {
            switch (args[i]) {
                case "--rows" -> rows = Integer.parseInt(args[i + 1]);
                case "--seeds" -> seeds = Integer.parseInt(args[i + 1]);
                case "--jobs" -> jobs = Integer.parseInt(args[i + 1]);
                case "--mutant" -> only = args[i + 1];
                default -> throw new IllegalArgumentException("unknown option " + args[i]);
            }
        }
        List<Mutant> chosen = chosen(only);
        MutantBuild build =
                new MutantBuild(Path.of("core/src/main/java"), Path.of("sim/target/mutants"));
        int most = seeds;
        int each = rows;
        AtomicInteger done = new AtomicInteger();
        int found = 0;
        try (ExecutorService executor = Executors.newFixedThreadPool(jobs)) {
            List<Future<Line>> lines = new ArrayList<>();
            for (Mutant mutant : chosen) {
                lines.add(
                        executor.submit(() -> {
                            Line line = search(mutant, build, each, most);
                            System.err.printf(
                                    "mutants: %d of %d, %s%n",
                                    done.incrementAndGet(), chosen.size(), line.text);
                            return line;
                        }));
            }
            for (Future<Line> line : lines) {
                System.out.println(line.get().text);
                System.out.flush();
                found += line.get().found ? 1 : 0;
            }
        }
        System.out.printf("mutants: planted=%d found=%d%n", chosen.size(), found);
        System.exit(found == chosen.size() ? 0 : 1);
    }

    private static List<Mutant> chosen(String only) {
        if (only.isEmpty()) {
            return Mutant.all();
        }
        List<Mutant> chosen = new ArrayList<>();
        for (String name : only.split(",", -1)) {
            chosen.add(
                    Mutant.all().stream()
                            .filter(mutant -> mutant.name().equals(name))
                            .findFirst()
                            .orElseThrow(() ->
                                    new IllegalArgumentException("no mutant is called " + name)));
        }
        return chosen;
    }

    private record Line(boolean found, String text) {}

    private static Line search(Mutant mutant, MutantBuild build, int rows, int most)
            throws IOException, InterruptedException {
        MutantHunt hunt = new MutantHunt(mutant, build.compile(mutant), most);
        List<Long> needed = new ArrayList<>();
        String how = "";
        for (int row = 0; row < rows; row++) {
            MutantHunt.Found found = hunt.row(row);
            if (found.seeds() > 0) {
                needed.add(found.seeds());
            }
            how = how.isEmpty() || found.seeds() > 0 && needed.size() == 1 ? found.how() : how;
        }
        needed.sort(null);
        boolean found = 2 * needed.size() > rows;
        return new Line(
                found,
                String.format(
                        Locale.ROOT,
                        "mutant: %-34s %-26s rows=%d/%d median_seeds=%-3s %s",
                        mutant.name(),
                        mutant.by(),
                        needed.size(),
                        rows,
                        found ? needed.get(needed.size() / 2) : "-",
                        how.length() > TOLD ? how.substring(0, TOLD) : how));
    }
}
