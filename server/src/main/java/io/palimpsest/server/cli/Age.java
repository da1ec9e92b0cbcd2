package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** How long ago, as people write it: {@code 90s}, {@code 15m}, {@code 12h}, {@code 30d}. */
final class Age implements ITypeConverter<Duration> {
    private static final Pattern AGE = Pattern.compile("([0-9]{1,9})\\s*([smhd])");

    /** BAD_REQUEST if it is none. */
    static Duration parse(String text) {
        Matcher age = AGE.matcher(text);
        if (!age.matches()) {
            throw PageserverException.badRequest(
                    "expected a time like 90s, 15m, 12h or 30d, found '%s'", text);
        }
        long n = Long.parseLong(age.group(1));
        return switch (age.group(2)) {
            case "s" -> Duration.ofSeconds(n);
            case "m" -> Duration.ofMinutes(n);
            case "h" -> Duration.ofHours(n);
            default -> Duration.ofDays(n);
        };
    }

    @Override
    public Duration convert(String text) {
        try {
            return parse(text);
        } catch (PageserverException e) {
            throw new TypeConversionException(String.valueOf(e.getMessage()));
        }
    }
}
