package io.palimpsest.protocol;

/**
 * One member of a tar archive.
 *
 * @param name its path, without a leading {@code ./} and a trailing slash; the archive's root is
 *     empty. Never absolute, never with a {@code ..} component
 * @param size bytes of content that follow; 0 for all but files
 * @param link where a symbolic or hard link points to, else empty
 * @param mode permission bits
 */
public record TarEntry(String name, long size, Type type, String link, int mode) {
    /** What a member is. */
    public enum Type {
        FILE,
        DIRECTORY,
        SYMBOLIC_LINK,
        HARD_LINK
    }
}
