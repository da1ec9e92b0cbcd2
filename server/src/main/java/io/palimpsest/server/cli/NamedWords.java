package io.palimpsest.server.cli;

import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * Which words of commands are names that only a server knows, by how the help calls them; and what
 * makes bash, and zsh, ask for them besides what picocli's script offers.
 */
final class NamedWords {
    private NamedWords() {}

    /** Of what the word is a name; null: it is none. */
    static Names.@Nullable Kind kind(ArgSpec argument) {
        String label = argument.paramLabel();
        if (label.startsWith("BRANCH") || label.equals("SOURCE[@POINT]")) {
            return Names.Kind.branches;
        }
        return label.startsWith("SOURCE") ? Names.Kind.sources : null;
    }

    /** What is added to the script. */
    static String bash(CommandLine root) {
        TreeMap<String, Names.Kind> arguments = new TreeMap<>();
        TreeMap<String, Names.Kind> options = new TreeMap<>();
        collect("", root, arguments, options);
        StringBuilder script = new StringBuilder();
        script.append(
                """

                # Names that only the server knows, besides. bash has parted the word at @ and :.
                function _complete_palimpsest_names() {
                  local current kind prefix name previous
                  _complete_palimpsest "$@"
                  current=${COMP_LINE:0:$COMP_POINT}
                  previous=${current% *}
                  previous=${previous##* }
                  current=${current##* }
                  kind=
                  case "$previous" in
                """);
        options.forEach((option, kind) -> line(script, option, kind));
        script.append(
                """
                    -*) return 0 ;;
                  esac
                  case "$current" in -*) return 0 ;; esac
                  if [ -z "$kind" ]; then
                    case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
                """);
        arguments.forEach((command, kind) -> line(script, quoted(command), kind));
        script.append(
                """
                    esac
                  fi
                  [ -n "$kind" ] || return 0
                  prefix=${current%"${current##*[@:]}"}
                  [ -z "$ZSH_VERSION" ] || prefix=
                  while IFS= read -r name; do
                    case "$name" in "$current"*) COMPREPLY+=("${name#"$prefix"}") ;; esac
                  done < <(palimpsest names "$kind" "$current" 2>/dev/null)
                }
                complete -F _complete_palimpsest_names -o default palimpsest
                """);
        return script.toString();
    }

    /** A command of one word has any word behind it. */
    private static String quoted(String command) {
        return command.contains(" ") ? "'" + command + "'" : "'" + command + " '*";
    }

    private static void line(StringBuilder script, String pattern, Names.Kind kind) {
        script.append("    ").append(pattern).append(") kind=").append(kind).append(" ;;\n");
    }

    private static void collect(
            String path,
            CommandLine at,
            Map<String, Names.Kind> arguments,
            Map<String, Names.Kind> options) {
        CommandSpec spec = at.getCommandSpec();
        // A script for words that are named is one for what comes first among them.
        for (PositionalParamSpec parameter : spec.positionalParameters()) {
            Names.Kind kind = kind(parameter);
            if (kind != null) {
                arguments.putIfAbsent(path.strip(), kind);
            }
        }
        for (OptionSpec option : spec.options()) {
            Names.Kind kind = kind(option);
            if (kind != null) {
                options.put(option.longestName(), kind);
            }
        }
        at.getSubcommands()
                .forEach((word, below) -> collect(path + " " + word, below, arguments, options));
    }
}
