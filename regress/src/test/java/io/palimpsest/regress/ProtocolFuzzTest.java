package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.regress.fuzz.ProtocolFuzz;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** A few seconds of what {@code make fuzz} does for minutes. */
class ProtocolFuzzTest {
    @Test
    void badClientsHarmNobody() {
        assertEquals(0, new CommandLine(new ProtocolFuzz()).execute("--minutes", "0.1"));
    }
}
