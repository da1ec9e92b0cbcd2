package io.palimpsest.server.store;

import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore.Content;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** An object's CRC32C in the metadata that a store keeps with it: eight hexadecimal digits. */
final class StoredChecksum {
    private static final String NAME = "crc32c";

    private StoredChecksum() {}

    /** What to put with the object. */
    static Map<String, String> metadata(Content content) {
        Map<String, String> metadata = new TreeMap<>();
        metadata.put(NAME, String.format("%08x", content.crc32c()));
        return metadata;
    }

    /** CORRUPTION if it is not there, or is no checksum. */
    static int of(String key, @Nullable Map<String, String> metadata) {
        String text = metadata == null ? null : metadata.get(NAME);
        try {
            return Integer.parseUnsignedInt(String.valueOf(text), 16);
        } catch (NumberFormatException e) {
            throw PageserverException.corruption(
                    "%s: expected metadata '%s' of 8 hexadecimal digits, found %s",
                    key, NAME, String.valueOf(text));
        }
    }
}
