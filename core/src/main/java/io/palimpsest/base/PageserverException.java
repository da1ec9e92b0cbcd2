package io.palimpsest.base;

import java.util.Locale;

/** A wrong world: bad request, damaged bytes, lost connection. Logged once, where it is handled. */
public final class PageserverException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final ErrorCode code;

    public PageserverException(ErrorCode code, String message) {
        super(message);
        this.code = code;
    }

    public PageserverException(ErrorCode code, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    public ErrorCode code() {
        return code;
    }

    public static PageserverException corruption(String format, Object... args) {
        return new PageserverException(
                ErrorCode.CORRUPTION, String.format(Locale.ROOT, format, args));
    }

    public static PageserverException badRequest(String format, Object... args) {
        return new PageserverException(
                ErrorCode.BAD_REQUEST, String.format(Locale.ROOT, format, args));
    }

    public static PageserverException of(ErrorCode code, String format, Object... args) {
        return new PageserverException(code, String.format(Locale.ROOT, format, args));
    }
}
