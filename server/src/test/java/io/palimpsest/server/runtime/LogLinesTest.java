package io.palimpsest.server.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Lines of the log, from the tracer to the bytes. */
final class LogLinesTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Subject DEV =
            new Subject(
                    TenantShardId.unsharded(TenantId.parse("1".repeat(32))),
                    TimelineId.parse("2".repeat(32)),
                    "dev");

    private final List<ILoggingEvent> seen = new ArrayList<>();
    private final AppenderBase<ILoggingEvent> appender =
            new AppenderBase<>() {
                @Override
                protected void append(ILoggingEvent event) {
                    seen.add(event);
                }
            };
    private final Logger root =
            ((LoggerContext) LoggerFactory.getILoggerFactory()).getLogger("lines");
    private final LogTracer tracer = new LogTracer("lines.palimpsest");

    @BeforeEach
    void listen() {
        appender.start();
        root.setLevel(Level.INFO);
        root.setAdditive(false);
        root.addAppender(appender);
    }

    @AfterEach
    void deaf() {
        root.detachAppender(appender);
    }

    private String line(LogLines.Format format) {
        return new String(new LogLines(format).encode(seen.getLast()), StandardCharsets.UTF_8);
    }

    private JsonNode json() throws IOException {
        String line = line(LogLines.Format.JSON);
        assertEquals(line.length() - 1, line.indexOf('\n'), line);
        return JSON.readTree(line);
    }

    @Test
    void anEventHasItsFields() throws IOException {
        tracer.event(Event.TIMELINE_DETACHED, DEV, "from 33 at 0/16B3748");
        JsonNode json = json();
        assertTrue(
                json.path("ts")
                        .asText()
                        .matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z"),
                json.toString());
        assertEquals("info", json.path("level").asText());
        assertEquals("PAL-3012", json.path("code").asText());
        assertEquals("timeline-detached", json.path("event").asText());
        assertEquals("1".repeat(32), json.path("tenant").asText());
        assertEquals("2".repeat(32), json.path("timeline").asText());
        assertEquals("dev", json.path("branch").asText());
        assertEquals("from 33 at 0/16B3748", json.path("msg").asText());
        assertEquals(8, json.size(), json.toString());
        String plain = line(LogLines.Format.LOGFMT);
        assertTrue(
                plain.endsWith(
                        " level=info code=PAL-3012 event=timeline-detached tenant="
                                + "1".repeat(32)
                                + " timeline="
                                + "2".repeat(32)
                                + " branch=dev msg=\"from 33 at 0/16B3748\"\n"),
                plain);
    }

    @Test
    void theServerIsNoTenant() throws IOException {
        tracer.event(Event.DISK_PRESSURE, "full");
        JsonNode json = json();
        assertFalse(json.has("tenant") || json.has("timeline") || json.has("branch"));
        assertEquals("warn", json.path("level").asText());
        assertTrue(line(LogLines.Format.LOGFMT).endsWith(" event=disk-pressure msg=full\n"));
    }

    /** Whoever reads it: no second line, nothing a terminal acts on, and the same text by JSON. */
    @Test
    void whatPeersSayIsOnlyText() throws IOException {
        for (String text :
                List.of(
                        "",
                        "{}",
                        "a=b \"c\" \\d",
                        "two\nlines\r\n",
                        "\u001b[31mred\u0007\u0000\u007f",
                        "\u0085\u2028\u2029",
                        "backwards \u202e txt",
                        "M\u00fcller \u4e2d \ud83d\udc18",
                        "half \ud83d")) {
            tracer.event(Event.STORE_RETRY, text);
            assertEquals(text, json().path("msg").asText());
            for (LogLines.Format format : LogLines.Format.values()) {
                String line = line(format);
                assertEquals(
                        List.of(),
                        line.substring(0, line.length() - 1)
                                .codePoints()
                                .filter(c ->
                                        Character.isISOControl(c)
                                                || Character.getType(c) == Character.FORMAT
                                                || c == 0x2028
                                                || c == 0x2029)
                                .boxed()
                                .toList(),
                        line);
            }
        }
    }

    @Test
    void noSecretStandsInIt() throws IOException {
        for (String[] said :
                new String[][] {
                    {"host=h password=s3cret user=u", "host=h password=(hidden) user=u"},
                    {"password = 's3 \\'cret' x", "password = (hidden) x"},
                    {"postgresql://u:s3cret@h/db", "postgresql://u:(hidden)@h/db"},
                    {"Authorization: Bearer s3cret", "Authorization: Bearer (hidden)"},
                    {"token eyJhbGciOiJF.eyJzY29w.s3cret", "token (hidden)"},
                    {"http://127.0.0.1:9898/v1", "http://127.0.0.1:9898/v1"},
                }) {
            tracer.event(Event.WALRECEIVER_WAITING, DEV, said[0]);
            assertEquals(said[1], json().path("msg").asText());
        }
        tracer.event(
                Event.REQUEST_FAILED,
                Subject.SERVER,
                "GET /",
                new IllegalStateException("password=s3cret"));
        assertFalse(json().toString().contains("s3cret"));
        assertFalse(line(LogLines.Format.LOGFMT).contains("s3cret"));
    }

    @Test
    void aDefectHasItsStack() throws IOException {
        tracer.event(
                Event.REQUEST_FAILED,
                Subject.SERVER,
                "GET /v1",
                new IllegalStateException("so\u001b[1m"));
        String stack = json().path("stack").asText();
        assertTrue(stack.startsWith("java.lang.IllegalStateException: so"), stack);
        assertTrue(stack.contains("aDefectHasItsStack"), stack);
        String plain = line(LogLines.Format.LOGFMT);
        assertTrue(plain.contains("\n  java.lang.IllegalStateException: so\\u001b[1m"), plain);
    }

    /** Libraries have no events of ours: they are told from ours, and have a code all the same. */
    @Test
    void librariesAreSaidToBeThose() throws IOException {
        LoggerFactory.getLogger("lines.io.netty").warn("something is {}", "odd");
        JsonNode json = json();
        assertEquals("PAL-1099", json.path("code").asText());
        assertEquals("lines.io.netty", json.path("logger").asText());
        assertEquals("something is odd", json.path("msg").asText());
    }
}
