package io.palimpsest.server.runtime;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.classic.spi.ThrowableProxyUtil;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.encoder.EncoderBase;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import java.io.Console;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;
import org.slf4j.event.KeyValuePair;

/**
 * One line an event, with the same fields for people and for machines.
 *
 * <pre>
 *   ts=2026-11-29T13:22:41.120Z level=info code=PAL-3012 event=timeline-detached tenant=11.. timeline=22.. branch=dev msg="from 33.."
 *   {"ts":"2026-11-29T13:22:41.120Z","level":"info","code":"PAL-3012","event":"timeline-detached","tenant":"11..",...}
 * </pre>
 *
 * Whatever a peer has put into a text, it does not get at the terminal of who reads the log, makes
 * no second line, and no password that somebody wrote into a URL comes to stand there.
 */
public final class LogLines extends EncoderBase<ILoggingEvent> {
    public enum Format {
        LOGFMT,
        JSON
    }

    private static final DateTimeFormatter TIME =
            new DateTimeFormatterBuilder().appendInstant(3).toFormatter(Locale.ROOT);

    /** Password of a conninfo, of a URL; a token. Ours never say them: an error of others might. */
    private static final Pattern SECRET =
            Pattern.compile(
                    "(?i)(password\\s*=\\s*)('(?:[^'\\\\]|\\\\.)*'|[^\\s&]+)"
                            + "|(://[^\\s:/@]*:)[^\\s@/]+(?=@)"
                            + "|(Bearer )\\S+"
                            + "|eyJ[\\w-]+\\.[\\w-]+\\.[\\w-]+");

    private volatile Format format;

    /** For a person, until the configuration is known. */
    public LogLines() {
        this(Format.LOGFMT);
    }

    LogLines(Format format) {
        this.format = format;
    }

    /** How the log of this process is written from now on. */
    public static void use(Format format) {
        LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
        Iterator<Appender<ILoggingEvent>> all =
                context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME).iteratorForAppenders();
        while (all.hasNext()) {
            if (all.next() instanceof ConsoleAppender<ILoggingEvent> console
                    && console.getEncoder() instanceof LogLines lines) {
                lines.format = format;
            }
        }
    }

    /** Does a person read the standard error? */
    @SuppressWarnings("SystemConsoleNull") // it says that it may be
    public static boolean isOnTerminal() {
        try {
            Path to = Files.readSymbolicLink(Path.of("/proc/self/fd/2"));
            return to.startsWith("/dev/pts") || to.toString().matches("/dev/(tty|console).*");
        } catch (IOException e) {
            // Another system than Linux: the console that there is has both ends on a terminal.
            Console console = System.console();
            return console != null && console.isTerminal();
        }
    }

    @Override
    public byte @Nullable [] headerBytes() {
        return null;
    }

    @Override
    public byte @Nullable [] footerBytes() {
        return null;
    }

    @Override
    public byte[] encode(ILoggingEvent event) {
        Map<String, String> fields = fields(event);
        StringBuilder line = new StringBuilder(256);
        switch (format) {
            case LOGFMT -> logfmt(fields, line);
            case JSON -> json(fields, line);
        }
        return line.append('\n').toString().getBytes(StandardCharsets.UTF_8);
    }

    private static Map<String, String> fields(ILoggingEvent line) {
        Event event = value(line, LogTracer.EVENT, Event.class);
        Subject subject = value(line, LogTracer.SUBJECT, Subject.class);
        boolean ours = line.getLoggerName().startsWith("io.palimpsest");
        if (event == null && !ours) {
            event = Event.LIBRARY_SAID;
        }
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("ts", TIME.format(line.getInstant()));
        fields.put("level", line.getLevel().toString().toLowerCase(Locale.ROOT));
        if (event != null) {
            fields.put("code", event.code());
            fields.put("event", event.word());
        }
        if (event == null || event == Event.LIBRARY_SAID) {
            fields.put("logger", line.getLoggerName());
        }
        if (subject != null) {
            put(fields, "tenant", subject.tenant());
            put(fields, "timeline", subject.timeline());
            put(fields, "branch", subject.branch());
        }
        fields.put("msg", withoutSecrets(String.valueOf(line.getFormattedMessage())));
        IThrowableProxy failure = line.getThrowableProxy();
        if (failure != null) {
            fields.put("stack", withoutSecrets(ThrowableProxyUtil.asString(failure).strip()));
        }
        return fields;
    }

    private static void put(Map<String, String> fields, String key, @Nullable Object value) {
        if (value != null) {
            fields.put(key, value.toString());
        }
    }

    private static <T> @Nullable T value(ILoggingEvent line, String key, Class<T> type) {
        List<KeyValuePair> pairs = line.getKeyValuePairs();
        if (pairs == null) {
            return null;
        }
        for (KeyValuePair pair : pairs) {
            if (pair.key.equals(key) && type.isInstance(pair.value)) {
                return type.cast(pair.value);
            }
        }
        return null;
    }

    static String withoutSecrets(String text) {
        return SECRET.matcher(text)
                .replaceAll(m ->
                        (m.group(1) != null
                                        ? "$1"
                                        : m.group(3) != null
                                                ? "$3"
                                                : m.group(4) != null ? "$4" : "")
                                + "(hidden)");
    }

    private static void logfmt(Map<String, String> fields, StringBuilder line) {
        String stack = fields.remove("stack");
        fields.forEach((key, value) -> {
            line.append(line.isEmpty() ? "" : " ").append(key).append('=');
            if (isPlain(value)) {
                line.append(value);
            } else {
                quoted(value, line);
            }
        });
        if (stack != null) {
            // For a person: as Java has it, a line a call.
            stack.lines().forEach(call -> escape(call.replace("\t", "    "), line.append("\n  ")));
        }
    }

    private static boolean isPlain(String value) {
        return !value.isEmpty()
                && value.chars()
                        .allMatch(c -> c > ' ' && c < 127 && c != '"' && c != '=' && c != '\\');
    }

    private static void json(Map<String, String> fields, StringBuilder line) {
        line.append('{');
        fields.forEach((key, value) -> {
            line.append(line.length() == 1 ? "\"" : ",\"").append(key).append("\":");
            quoted(value, line);
        });
        line.append('}');
    }

    private static void quoted(String value, StringBuilder line) {
        line.append('"');
        escape(value, line);
        line.append('"');
    }

    /** As JSON has it; and what a terminal would act on, or a reader not see, is written out. */
    private static void escape(String value, StringBuilder line) {
        value.codePoints()
                .forEach(c -> {
                    switch (c) {
                        case '"', '\\' -> line.append('\\').append((char) c);
                        case '\n' -> line.append("\\n");
                        case '\r' -> line.append("\\r");
                        case '\t' -> line.append("\\t");
                        default -> {
                            if (isSeen(c)) {
                                line.appendCodePoint(c);
                            } else {
                                for (char unit : Character.toChars(c)) {
                                    line.append("\\u").append(HexFormat.of().toHexDigits(unit));
                                }
                            }
                        }
                    }
                });
    }

    private static boolean isSeen(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR,
                    Character.UNASSIGNED ->
                    false;
            default -> true;
        };
    }
}
