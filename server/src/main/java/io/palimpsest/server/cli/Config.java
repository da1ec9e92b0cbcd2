package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.config.ConfigOptions;
import io.palimpsest.server.config.ConfigText;
import io.palimpsest.server.config.EffectiveConfig;
import io.palimpsest.server.config.ServerConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** A page server's configuration, from the files alone. */
@Command(
        name = "config",
        mixinStandardHelpOptions = true,
        description = "A page server's configuration: check, explain, show.",
        subcommands = {Config.Check.class, Config.Explain.class, Config.Show.class})
final class Config {
    private static List<ConfigText> texts(ConfigOptions options) {
        try {
            return options.texts(List.of());
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.IO, "the configuration cannot be read: " + e, e);
        }
    }

    /** Is it usable? */
    @Command(
            name = "check",
            mixinStandardHelpOptions = true,
            description = "Says all that is wrong with it; exit status 2 if something is.")
    static final class Check implements Callable<Integer> {
        @Spec CommandSpec spec = CommandSpec.create();

        @Mixin private ConfigOptions options = new ConfigOptions();

        @Override
        public Integer call() {
            ServerConfig _ = ServerConfig.read(texts(options));
            spec.commandLine().getOut().println("the configuration is fine");
            return Palimpsest.DONE;
        }
    }

    /** What is in force. */
    @Command(
            name = "show",
            mixinStandardHelpOptions = true,
            description =
                    "Every key with its value and where that comes from: the file and line, a variable of the environment, -c, or the default.")
    static final class Show implements Callable<Integer> {
        @Spec CommandSpec spec = CommandSpec.create();

        @Mixin private ConfigOptions options = new ConfigOptions();

        @Option(names = "--given", description = "Only what is not a default.")
        private boolean given;

        @Option(names = "--json", description = "As JSON.")
        private boolean json;

        @Override
        public Integer call() {
            PrintWriter out = spec.commandLine().getOut();
            List<EffectiveConfig.Entry> entries =
                    EffectiveConfig.of(texts(options)).stream()
                            .filter(entry -> !given || entry.given())
                            .toList();
            if (json) {
                ObjectNode object = Output.object();
                ArrayNode all = object.putArray("keys");
                entries.forEach(entry ->
                        all.addObject()
                                .put("key", entry.key())
                                .put("value", entry.value())
                                .put("from", entry.from()));
                Output.json(out, object);
                return Palimpsest.DONE;
            }
            int width = entries.stream().mapToInt(entry -> entry.key().length()).max().orElse(0);
            for (EffectiveConfig.Entry entry : entries) {
                String value = entry.value() == null ? "-" : entry.value();
                out.println(
                        entry.key()
                                + " ".repeat(width - entry.key().length() + 2)
                                + value
                                + (entry.given() ? "   (" + entry.from() + ")" : ""));
            }
            return Palimpsest.DONE;
        }
    }

    /** What a key means. */
    @Command(name = "explain", mixinStandardHelpOptions = true, description = "What a key means.")
    static final class Explain implements Callable<Integer> {
        @Spec CommandSpec spec = CommandSpec.create();

        @Parameters(paramLabel = "KEY", description = "e.g. tenant_config.gc_period")
        private String key = "";

        @Override
        public Integer call() {
            String meaning = EffectiveConfig.meaning(key);
            if (meaning == null) {
                throw PageserverException.of(
                        ErrorCode.NOT_FOUND,
                        "there is no key %s; palimpsest config show lists all",
                        key);
            }
            spec.commandLine().getOut().println(meaning);
            return Palimpsest.DONE;
        }
    }
}
