package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * How long something is kept, from now on, as people write it: {@code 90s}, {@code 15m}, {@code
 * 12h}, {@code 30d}, {@code 2w}, {@code 6mo}, {@code 7y}; months and years of the calendar, in UTC.
 */
record KeepTime(String text) {
    private static final Pattern FORM = Pattern.compile("([0-9]{1,6})\\s*(s|m|h|d|w|mo|y)");

    /** BAD_REQUEST if it is none. */
    KeepTime {
        if (!FORM.matcher(text).matches()) {
            throw PageserverException.badRequest(
                    "expected a time like 90s, 15m (minutes), 12h, 30d, 2w, 6mo (months) or 7y, found '%s'",
                    text);
        }
    }

    /** As a command's option. */
    static final class Converter implements ITypeConverter<KeepTime> {
        @Override
        public KeepTime convert(String text) {
            try {
                return new KeepTime(text);
            } catch (PageserverException e) {
                throw new TypeConversionException(String.valueOf(e.getMessage()));
            }
        }
    }

    long seconds(Instant now) {
        Matcher form = FORM.matcher(text);
        boolean _ = form.matches();
        long n = Long.parseLong(form.group(1));
        OffsetDateTime from = now.atOffset(ZoneOffset.UTC);
        OffsetDateTime until =
                switch (form.group(2)) {
                    case "s" -> from.plusSeconds(n);
                    case "m" -> from.plusMinutes(n);
                    case "h" -> from.plusHours(n);
                    case "d" -> from.plusDays(n);
                    case "w" -> from.plusWeeks(n);
                    case "mo" -> from.plusMonths(n);
                    default -> from.plusYears(n);
                };
        return Duration.between(from, until).toSeconds();
    }
}
