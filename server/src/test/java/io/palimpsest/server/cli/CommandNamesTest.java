package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** What is done to start soon changes nothing of what is there. */
class CommandNamesTest {
    @Test
    void verbsAreCalledAsTheirClassesSay() {
        int verbs = 0;
        for (String noun : Palimpsest.commandLine().getSubcommands().keySet()) {
            if (Palimpsest.verbs(noun).isEmpty()) {
                // A command itself, or one that describes what is below it.
                continue;
            }
            Set<String> names = new TreeSet<>();
            for (Palimpsest.Verb verb : Palimpsest.verbs(noun)) {
                Set<String> said = new TreeSet<>(Set.of(verb.names()));
                assertEquals(new CommandLine(verb.type()).getCommandSpec().names(), said, noun);
                names.addAll(said);
                verbs++;
            }
            CommandLine command = Palimpsest.commandLine().getSubcommands().get(noun);
            assertEquals(names, command.getSubcommands().keySet(), noun);
        }
        assertTrue(verbs > 40, verbs + " verbs");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "null",
                "7",
                "-12345678901",
                "123456789012345678901234567890",
                "1.5e3",
                "true",
                "[]",
                "{}",
                "[1, [false, {\"a\": null}], \"\\u00e4\\n\"]",
                "{\"a\": {\"b\": [0.25]}, \"c\": \"\"}"
            })
    void jsonIsReadAsAMapperDoes(String text) throws Exception {
        assertEquals(new ObjectMapper().readTree(text), JsonText.read(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"<html>", "{", "[1,", "{\"a\"}", "1 2", "]", "nil"})
    void whatIsNoJsonIsNone(String text) {
        assertThrows(IOException.class, () -> JsonText.read(text));
    }

    @Test
    void nothingIsNull() throws Exception {
        assertTrue(JsonText.read("").isNull());
    }
}
