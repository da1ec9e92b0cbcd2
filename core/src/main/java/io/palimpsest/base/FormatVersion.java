package io.palimpsest.base;

/**
 * Versions of stored formats. What a later version has written is refused, never guessed at: who
 * reads only the half of it would write the other half away.
 */
public final class FormatVersion {
    /** A longer number is no version. */
    private static final int DIGITS = 9;

    private FormatVersion() {}

    /**
     * Refuses a text whose first line says a later version; all else is for the caller to look at.
     *
     * @param path of the file, or key of the object
     * @param mark what the first line says before the version, with the space between them
     * @param newest version that is understood, and all before it
     * @throws PageserverException CORRUPTION
     */
    public static void refuseLater(String path, String mark, int newest, String text) {
        int end = text.indexOf('\n');
        String line = end < 0 ? text : text.substring(0, end);
        String version = line.startsWith(mark) ? line.substring(mark.length()) : "";
        boolean number =
                !version.isEmpty()
                        && version.length() <= DIGITS
                        && version.chars().allMatch(c -> c >= '0' && c <= '9');
        if (number && Integer.parseInt(version) > newest) {
            throw later(path, mark.strip(), Integer.parseInt(version), newest);
        }
    }

    /** CORRUPTION: a later version than those that are understood. */
    public static PageserverException later(String path, String what, long found, long newest) {
        return PageserverException.corruption(
                "%s: '%s' of format version %d; this server understands %s: if the file is not damaged, a later version of Palimpsest has written it; start that one here again, or go back to what was kept before the upgrade",
                path, what, found, newest == 1 ? "version 1" : "versions 1 to " + newest);
    }
}
