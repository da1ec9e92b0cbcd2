package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.junit.jupiter.api.Test;

class OperationTextTest {
    private static ObjectNode operation(long done) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("stage", "copying the cluster")
                .put("bytes_done", done)
                .put("bytes_per_second", 1 << 20);
    }

    @Test
    void aBarAndAnEndOnlyWhereSomebodyCanSay() {
        assertEquals("copying the cluster", OperationText.progress(operation(0)));
        assertEquals(
                "copying the cluster  3.0 MiB, 1.0 MiB/s",
                OperationText.progress(operation(3 << 20)));
        assertEquals(
                "copying the cluster  [#####...............]  25 %  3.0 MiB of about 12 MiB, 1.0 MiB/s, 9 s left",
                OperationText.progress(
                        operation(3 << 20).put("bytes_total", 12 << 20).put("seconds_left", 9)));
    }

    @Test
    void anEstimateThatWasPassedIsAll() {
        assertEquals(
                "copying the cluster  [####################] 100 %  13 MiB of about 12 MiB, 1.0 MiB/s",
                OperationText.progress(operation(13 << 20).put("bytes_total", 12 << 20)));
    }
}
