package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** What shells make of the scripts; where one is not installed, what stands in them. */
class CompletionTest {
    @TempDir private Path directory;

    private Path script(String shell) throws IOException {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        assertEquals(
                0,
                Palimpsest.run(
                        new PrintWriter(out),
                        new PrintWriter(err),
                        Terminal.NONE,
                        "completion",
                        shell),
                err.toString());
        return Files.writeString(directory.resolve(shell), out.toString());
    }

    private static boolean installed(String shell) {
        return List.of(System.getenv("PATH").split(":")).stream()
                .anyMatch(d -> Files.isExecutable(Path.of(d, shell)));
    }

    private static Set<String> run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(process.waitFor(30, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue(), out);
        return new TreeSet<>(List.of(out.strip().split("\\s+")));
    }

    @ParameterizedTest
    @CsvSource({
        "'palimpsest so', source",
        "'palimpsest source ', add check list status",
        "'palimpsest source add --ten', --tenant",
        "'palimpsest completion ', bash fish zsh",
        "'palimpsest layer dump --en', --entries",
    })
    void bashOffersWhatFits(String typed, String expected) throws Exception {
        assumeTrue(installed("bash"), "there is no bash on this machine");
        List<String> words = new ArrayList<>(List.of(typed.split(" ", -1)));
        Set<String> offered =
                run(
                        "bash",
                        "-c",
                        "source '"
                                + script("bash")
                                + "'; COMP_WORDS=("
                                + String.join(" ", words.subList(0, words.size() - 1))
                                + " '"
                                + words.getLast()
                                + "'); COMP_CWORD="
                                + (words.size() - 1)
                                + "; _complete_palimpsest 2>/dev/null; echo \"${COMPREPLY[@]}\"");
        assertTrue(offered.containsAll(List.of(expected.split(" "))), offered.toString());
        assertTrue(
                offered.stream().allMatch(o -> o.startsWith(words.getLast())), offered.toString());
    }

    /** What bash makes of a line, with a server that has these names. */
    private Set<String> names(String typed) throws Exception {
        List<String> words = List.of(typed.replaceAll("([@:])", " $1 ").split(" +", -1));
        return run(
                "bash",
                "-c",
                "source '"
                        + script("bash")
                        + "'; palimpsest() { echo \"$*\" >>"
                        + directory.resolve("asked")
                        + "; printf 'main\\nmain@first\\nmore\\n'; }; COMP_LINE='"
                        + typed
                        + "'; COMP_POINT="
                        + typed.length()
                        + "; COMP_WORDS=('"
                        + String.join("' '", words)
                        + "'); COMP_CWORD="
                        + (words.size() - 1)
                        + "; _complete_palimpsest_names 2>/dev/null; echo \"${COMPREPLY[@]}\"");
    }

    @Test
    void namesAreThoseOfTheServer() throws Exception {
        assumeTrue(installed("bash"), "there is no bash on this machine");
        assertTrue(names("palimpsest branch show m").containsAll(Set.of("main", "more")));
        assertEquals("names branches m\n", Files.readString(directory.resolve("asked")));
        assertTrue(names("palimpsest point pin main@fi").contains("first"));
        assertTrue(names("palimpsest branch create x --from ma").contains("main"));
        assertTrue(names("palimpsest connect mo").contains("more"));
        assertTrue(names("palimpsest source status ma").contains("main"));
        String asked = Files.readString(directory.resolve("asked"));
        assertTrue(asked.endsWith("names sources ma\n"), asked);
        Set<String> _ = names("palimpsest branch expire x --ttl m");
        Set<String> _ = names("palimpsest store du m");
        Set<String> _ = names("palimpsest branch show --j");
        assertEquals(asked, Files.readString(directory.resolve("asked")), "asked for no name");
        String fish = Files.readString(script("fish"));
        assertTrue(
                fish.contains("-a '(palimpsest names branches (commandline -ct) 2>/dev/null)'"),
                fish);
    }

    @Test
    void zshTakesTheScript() throws Exception {
        assertTrue(Files.readString(script("zsh")).contains("bashcompinit"));
        assumeTrue(installed("zsh"), "there is no zsh on this machine");
        assertTrue(
                run(
                                "zsh",
                                "-fc",
                                "autoload -U compinit; compinit -u; source "
                                        + script("zsh")
                                        + "; echo ${_comps[palimpsest]}")
                        .toString()
                        .contains("_bash_complete"));
    }

    @ParameterizedTest
    @CsvSource({
        "'palimpsest so', source",
        "'palimpsest source ', add check list status",
        "'palimpsest source add --ten', --tenant",
        "'palimpsest completion ', bash fish zsh",
    })
    void fishOffersWhatFits(String typed, String expected) throws Exception {
        assumeTrue(installed("fish"), "there is no fish on this machine");
        Set<String> offered =
                run("fish", "-Nc", "source " + script("fish") + "; complete -C '" + typed + "'");
        assertTrue(offered.containsAll(List.of(expected.split(" "))), offered.toString());
    }

    @Test
    void fishKnowsEveryCommandAndOption() throws Exception {
        String script = Files.readString(script("fish"));
        CommandLine root = Palimpsest.commandLine();
        root.getSubcommands()
                .forEach((noun, below) -> {
                    assertTrue(script.contains(" -a '" + noun + "'"), noun);
                    CommandLine.Command said =
                            below.getCommand().getClass().getAnnotation(CommandLine.Command.class);
                    assertTrue(
                            said.name().equals(noun) || List.of(said.aliases()).contains(noun),
                            noun);
                    below.getSubcommands()
                            .forEach((verb, command) -> {
                                String at = "-n '__palimpsest_at \\' " + noun + " " + verb + "\\''";
                                command.getCommandSpec()
                                        .optionsMap()
                                        .keySet()
                                        .forEach(option ->
                                                assertTrue(
                                                        script.lines()
                                                                .anyMatch(l ->
                                                                        l.contains(at)
                                                                                && l.contains(
                                                                                        (option
                                                                                                                .startsWith(
                                                                                                                        "--")
                                                                                                        ? " -l "
                                                                                                        : " -s ")
                                                                                                + option
                                                                                                        .replaceAll(
                                                                                                                "^-+",
                                                                                                                ""))),
                                                        noun + " " + verb + " " + option));
                            });
                });
    }
}
