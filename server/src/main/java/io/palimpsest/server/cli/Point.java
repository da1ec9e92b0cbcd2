package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.Locale;
import java.util.regex.Pattern;

/** A moment of a branch's history as people say it. */
sealed interface Point {
    /** What begins so is no LSN and no time. */
    Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_.-]*");

    /** {@code latest}. */
    record Latest() implements Point {}

    /** {@code oldest}: the first that is kept, or where the branch begins. */
    record Oldest() implements Point {}

    /** {@code before_migration}, {@code name:before_migration}. */
    record Named(Label name) implements Point {}

    /** {@code 0/16B3748}. */
    record At(Lsn lsn) implements Point {}

    /** {@code 2026-11-28T14:03:00+01:00}, {@code -15m}. */
    record Time(Instant instant) implements Point {}

    /** {@code xid:733}: when that transaction was committed, with what it did. */
    record Xid(long xid) implements Point {}

    /**
     * @param now what {@code -15m} counts from
     * @throws PageserverException BAD_REQUEST; a time without a zone says both things it may mean
     */
    static Point parse(String text, Instant now) {
        if (text.equalsIgnoreCase("latest")) {
            return new Latest();
        }
        if (text.equalsIgnoreCase("oldest")) {
            return new Oldest();
        }
        if (text.startsWith("name:")) {
            return new Named(new Label(text.substring(5)));
        }
        if (text.startsWith("xid:")) {
            return new Xid(xid(text.substring(4)));
        }
        if (NAME.matcher(text).matches()) {
            return new Named(new Label(text));
        }
        if (text.indexOf('/') > 0) {
            return new At(Lsn.parse(text));
        }
        if (text.startsWith("-")) {
            return new Time(now.minus(Age.parse(text.substring(1))));
        }
        String iso = text.strip().replace(' ', 'T').toUpperCase(Locale.ROOT);
        try {
            return new Time(OffsetDateTime.parse(iso).toInstant());
        } catch (DateTimeParseException e) {
            throw noZone(text, iso);
        }
    }

    private static long xid(String text) {
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST,
                    "'xid:" + text + "': expected the number of a transaction, such as xid:733",
                    e);
        }
    }

    private static PageserverException noZone(String text, String iso) {
        try {
            LocalDateTime local = LocalDateTime.parse(iso);
            return PageserverException.badRequest(
                    "'%s' has no time zone: say %s for UTC, or %s for this machine's",
                    text,
                    local.atOffset(ZoneOffset.UTC),
                    local.atZone(ZoneId.systemDefault()).toOffsetDateTime());
        } catch (DateTimeParseException e) {
            return PageserverException.badRequest(
                    "'%s' is no point: expected latest, oldest, an LSN such as 0/16B3748, a time such as 2026-11-28T14:03:00Z, -15m, xid:733, or the name of a point",
                    text);
        }
    }
}
