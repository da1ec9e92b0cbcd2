package io.palimpsest.sim;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A JVM that is set up otherwise than this one: another collector, compiler, order of identity
 * hashes, language and time zone. The same seed must do the same there: what is the same twice in
 * one JVM may still hang on any of these, for they stay as they are while it runs.
 */
final class OtherJvm {
    /** What is set otherwise; a run is compared with one of these, in turn. */
    private static final List<List<String>> SETTINGS =
            List.of(
                    List.of(
                            "-XX:+UseParallelGC",
                            "-XX:TieredStopAtLevel=1",
                            "-XX:+UnlockExperimentalVMOptions",
                            "-XX:hashCode=2",
                            "-Duser.language=tr",
                            "-Duser.country=TR",
                            "-Duser.timezone=Asia/Kathmandu"),
                    List.of(
                            "-XX:+UseG1GC",
                            "-XX:-TieredCompilation",
                            "-XX:+UnlockExperimentalVMOptions",
                            "-XX:hashCode=3",
                            "-XX:-UseCompactObjectHeaders",
                            "-Duser.language=ar",
                            "-Duser.country=EG",
                            "-Duser.timezone=America/St_Johns"));

    /** Options of this JVM that must hold in the other one, too. */
    private static final List<String> KEPT =
            List.of("-Djdk.", "-Xmx", "-Xss", "--sun-misc-", "--enable-native-access");

    private static final String TRACE = "trace:";

    private final List<String> settings;
    private final String main;

    /**
     * @param number which of the settings: any number
     * @param main the class that is run
     */
    OtherJvm(int number, String main) {
        settings = SETTINGS.get(Math.floorMod(number, SETTINGS.size()));
        this.main = main;
    }

    /** How many differ. */
    static int kinds() {
        return SETTINGS.size();
    }

    /** One line of {@link TraceCommand}. */
    static String traceLine(History history) {
        return String.join(
                " ",
                TRACE,
                Long.toString(history.seed()),
                Long.toString(history.steps()),
                Long.toHexString(history.hash()),
                history.scenario());
    }

    /** The same histories there, by {@link History#key}; an IOException if it does not run them. */
    Map<String, History> run(List<History> histories) throws IOException, InterruptedException {
        List<String> arguments = new ArrayList<>(List.of("trace"));
        for (History h : histories) {
            arguments.add(h.scenario());
            arguments.add(Long.toString(h.seed()));
        }
        Map<String, History> found = new TreeMap<>();
        StringBuilder said = new StringBuilder();
        Process process = start(arguments);
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] words = line.split(" ", 5);
                if (words.length == 5 && words[0].equals(TRACE)) {
                    History h =
                            new History(
                                    words[4],
                                    Long.parseLong(words[1]),
                                    Long.parseLong(words[2]),
                                    Long.parseUnsignedLong(words[3], 16));
                    found.put(h.key(), h);
                } else {
                    said.append("\n  ").append(line);
                }
            }
            int status = process.waitFor();
            if (status != 0 || found.size() != histories.size()) {
                throw new IOException(
                        "a JVM with "
                                + String.join(" ", settings)
                                + " ended with status "
                                + status
                                + " after "
                                + found.size()
                                + " of "
                                + histories.size()
                                + " histories"
                                + said);
            }
        } finally {
            process.destroyForcibly();
        }
        return found;
    }

    /** Writes the story of one, as it goes there. */
    void story(History history, Path file) throws IOException, InterruptedException {
        Process process =
                start(
                        List.of(
                                "run",
                                "--scenario",
                                history.scenario(),
                                "--seed",
                                Long.toString(history.seed()),
                                "--story",
                                file.toString()));
        try {
            String said =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            int status = process.waitFor();
            // 1: it fails there. That is in its story.
            if (status > 1) {
                throw new IOException("no story, status " + status + ": " + said.strip());
            }
        } finally {
            process.destroyForcibly();
        }
    }

    private Process start(List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(option -> KEPT.stream().anyMatch(option::startsWith))
                .forEach(command::add);
        command.addAll(settings);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main));
        command.addAll(arguments);
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    /** As make takes them. */
    String makeOptions() {
        return "GC=none VM='" + String.join(" ", settings) + "'";
    }
}
