package io.palimpsest.server.cli;

import java.io.File;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * Completions for fish, for which picocli has none: a function says which command the words so far
 * have named, and each candidate is offered where it belongs.
 */
final class FishCompletion {
    private final String name;
    private final StringBuilder script = new StringBuilder();

    private FishCompletion(String name) {
        this.name = name;
    }

    /** The script for all commands below {@code root}. */
    static String script(CommandLine root) {
        FishCompletion completion = new FishCompletion(root.getCommandName());
        TreeMap<String, CommandLine> commands = new TreeMap<>();
        collect("", root, commands);
        completion.function(commands);
        completion.script.append("complete -c ").append(completion.name).append(" -f\n");
        commands.forEach(completion::command);
        return completion.script.toString();
    }

    /** Commands by their words, each with a blank before it; the root has none. */
    private static void collect(String path, CommandLine at, Map<String, CommandLine> into) {
        into.put(path, at);
        at.getSubcommands().forEach((word, below) -> collect(path + " " + word, below, into));
    }

    private void function(Map<String, CommandLine> commands) {
        script.append("function __")
                .append(name)
                .append("_at\n")
                .append("    set -l words (commandline -opc)\n")
                .append("    set -l path ''\n")
                .append("    for word in $words[2..-1]\n")
                .append("        switch \"$path $word\"\n")
                .append("            case");
        commands.keySet().stream()
                .filter(path -> !path.isEmpty())
                .forEach(path -> script.append(' ').append(quoted(path)));
        script.append('\n')
                .append("                set path \"$path $word\"\n")
                .append("        end\n")
                .append("    end\n")
                .append("    test \"$path\" = \"$argv[1]\"\n")
                .append("end\n");
    }

    private void command(String path, CommandLine command) {
        command.getSubcommands()
                .forEach((word, below) -> {
                    line(path);
                    script.append(" -a ").append(quoted(word));
                    description(below.getCommandSpec().usageMessage().description());
                });
        for (OptionSpec option : command.getCommandSpec().options()) {
            if (!option.hidden()) {
                line(path);
                for (String spelling : option.names()) {
                    script.append(spelling.startsWith("--") ? " -l " : " -s ")
                            .append(spelling.replaceAll("^-+", ""));
                }
                value(option, option.arity().max() > 0);
                description(option.description());
            }
        }
        for (PositionalParamSpec parameter : command.getCommandSpec().positionalParameters()) {
            if (parameter.completionCandidates() != null) {
                line(path);
                script.append(" -a ")
                        .append(quoted(String.join(" ", parameter.completionCandidates())))
                        .append('\n');
            } else if (isFile(parameter)) {
                line(path);
                script.append(" -F\n");
            } else if (NamedWords.kind(parameter) != null) {
                line(path);
                script.append(" -a ").append(names(NamedWords.kind(parameter))).append('\n');
            }
        }
    }

    private void line(String path) {
        script.append("complete -c ")
                .append(name)
                .append(" -n ")
                .append(quoted("__" + name + "_at " + quoted(path)));
    }

    private void value(OptionSpec option, boolean takesOne) {
        if (!takesOne) {
            return;
        }
        script.append(isFile(option) ? " -rF" : " -x");
        if (option.completionCandidates() != null) {
            script.append(" -a ").append(quoted(String.join(" ", option.completionCandidates())));
        } else if (NamedWords.kind(option) != null) {
            script.append(" -a ").append(names(NamedWords.kind(option)));
        }
    }

    /** The server says them when they are wanted. */
    private String names(Names.@Nullable Kind kind) {
        return quoted("(" + name + " names " + kind + " (commandline -ct) 2>/dev/null)");
    }

    private static boolean isFile(ArgSpec argument) {
        List<Class<?>> types = List.of(argument.typeInfo().getAuxiliaryTypes());
        return types.contains(Path.class)
                || types.contains(File.class)
                || argument.type() == Path.class;
    }

    /** The first sentence. */
    private void description(String[] lines) {
        if (lines.length > 0) {
            String first = CommandLine.Help.Ansi.OFF.string(lines[0]).replaceAll("[.:;] .*", "");
            script.append(" -d ").append(quoted(first.replaceAll("%%", "%")));
        }
        script.append('\n');
    }

    private static String quoted(String text) {
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'";
    }
}
