package io.palimpsest.regress;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.u8;

import io.airlift.compress.v3.MalformedInputException;
import io.airlift.compress.v3.lz4.Lz4JavaDecompressor;
import io.palimpsest.base.Key;
import io.palimpsest.pg.Page;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.value.StoredValue;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Changes one byte of one stored page image in a stopped server's layer files, or in its object
 * store, and makes all checksums right again, so that nothing but a comparison can find it: the
 * demo's test of itself.
 *
 * <p>The file keeps its size. In a compressed block only some stored byte stands for just one byte
 * of the page; it is found by trying. The layer format is drawn in docs/formats.md.
 */
final class StoredPageFlip {
    private static final byte[] MAGIC = {'P', 'L', 'M', 'L', 'A', 'Y', 'R', '1'};
    private static final int HEADER = 80;
    private static final int FRAME = 16;
    private static final int FOOTER = 256;
    private static final int FOOTER_FILE_CHECKSUM = 232;
    private static final int FOOTER_CHECKSUM = 244;
    private static final int RAW = 0;
    private static final int LZ4 = 1;

    private StoredPageFlip() {}

    /**
     * Flips a byte of the last 2 KiB, where tuples are, of the first image of {@code key} in each
     * file that has one.
     *
     * @return what was done, for a person to read
     * @throws IllegalStateException no layer file holds an image of the page
     */
    static String flip(Path workingDirectory, Key key) {
        List<String> all = new ArrayList<>();
        try (var paths = Files.walk(workingDirectory)) {
            List<Path> files = paths.filter(Files::isRegularFile).sorted().toList();
            for (Path path : files) {
                if (Files.size(path) >= HEADER + FOOTER && startsWithMagic(path)) {
                    String done = flipIn(path, key);
                    if (done != null) {
                        all.add(done);
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (all.isEmpty()) {
            throw new IllegalStateException(
                    "no layer below " + workingDirectory + " has an image of " + key);
        }
        return String.join(", ", all);
    }

    /** The same in an object store, in each object that has an image of {@code key}. */
    static String flip(ObjectStore store, Key key) {
        List<String> all = new ArrayList<>();
        String page = null;
        do {
            ObjectStore.Listing listing = store.list("", true, 1000, page);
            for (ObjectStore.Entry entry : listing.objects()) {
                ByteArrayOutputStream body = new ByteArrayOutputStream();
                store.get(entry.key(), body::write);
                byte[] file = body.toByteArray();
                boolean layer =
                        file.length >= HEADER + FOOTER
                                && Arrays.equals(file, 0, MAGIC.length, MAGIC, 0, MAGIC.length);
                String done = layer ? flipIn(file, entry.key(), key) : null;
                if (done != null) {
                    store.put(
                            entry.key(),
                            ObjectStore.Content.of(file),
                            ObjectStore.Condition.ALWAYS);
                    all.add(done);
                }
            }
            page = listing.next();
        } while (page != null);
        if (all.isEmpty()) {
            throw new IllegalStateException("no object has an image of " + key);
        }
        return String.join(", ", all);
    }

    private static boolean startsWithMagic(Path path) throws IOException {
        try (var in = Files.newInputStream(path)) {
            return Arrays.equals(in.readNBytes(MAGIC.length), MAGIC);
        }
    }

    private static @Nullable String flipIn(Path path, Key key) throws IOException {
        byte[] file = Files.readAllBytes(path);
        String done = flipIn(file, path.getFileName().toString(), key);
        if (done != null) {
            Files.write(path, file);
        }
        return done;
    }

    private static @Nullable String flipIn(byte[] file, String name, Key key) {
        int footer = file.length - FOOTER;
        long index = i64(file, footer);
        for (int at = HEADER; at < index; ) {
            int stored = i32(file, at + 4);
            byte[] payload = decode(file, at);
            int image = payload == null ? -1 : findImage(payload, key.toString());
            if (payload != null && image >= 0) {
                for (int target = Page.SIZE - 9; target > Page.SIZE - 2048; target--) {
                    int byteOfFile = storedByte(file, at, payload, image + target);
                    if (byteOfFile >= 0) {
                        file[byteOfFile] ^= 1;
                        putI32(file, at, blockChecksum(at, file, FRAME + stored));
                        putI32(file, footer + FOOTER_FILE_CHECKSUM, checksum(file, 0, footer));
                        putI32(
                                file,
                                footer + FOOTER_CHECKSUM,
                                checksum(file, footer, FOOTER_CHECKSUM));
                        return "byte "
                                + target
                                + " of the page under key "
                                + key
                                + " flipped in "
                                + name;
                    }
                }
            }
            at += FRAME + stored;
        }
        return null;
    }

    private static byte @Nullable [] decode(byte[] file, int at) {
        int stored = i32(file, at + 4);
        int raw = i32(file, at + 8);
        return switch (u8(file, at + 12)) {
            case RAW -> Arrays.copyOfRange(file, at + FRAME, at + FRAME + stored);
            case LZ4 -> {
                byte[] payload = new byte[raw];
                try {
                    int n =
                            new Lz4JavaDecompressor()
                                    .decompress(file, at + FRAME, stored, payload, 0, raw);
                    yield n == raw ? payload : null;
                } catch (MalformedInputException e) {
                    yield null;
                }
            }
            default -> null;
        };
    }

    /** Where in the payload the page starts that is the image under {@code wanted}; -1: nowhere. */
    private static int findImage(byte[] payload, String wanted) {
        int groups = i32(payload, payload.length - 4);
        int end = payload.length - 4 - 4 * groups;
        byte[] key = new byte[Key.BYTES];
        int[] position = {0};
        while (position[0] < end) {
            int shared = payload[position[0]++];
            if (shared < Key.BYTES) {
                System.arraycopy(payload, position[0], key, shared, Key.BYTES - shared);
                position[0] += Key.BYTES - shared;
            }
            long lsn = varint(payload, position);
            int length = (int) varint(payload, position);
            int value = position[0];
            position[0] += length;
            if (lsn >= 0
                    && length == 1 + Page.SIZE
                    && payload[value] == StoredValue.IMAGE
                    && Key.read(key, 0).toString().equals(wanted)) {
                return value + 1;
            }
        }
        return -1;
    }

    private static long varint(byte[] b, int[] position) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte x = b[position[0]++];
            value |= (x & 0x7FL) << shift;
            if (x >= 0) {
                return value;
            }
        }
    }

    /** The byte of the file that decides over {@code wanted} of the payload and nothing else. */
    private static int storedByte(byte[] file, int at, byte[] payload, int wanted) {
        if (u8(file, at + 12) == RAW) {
            return at + FRAME + wanted;
        }
        byte old = payload[wanted];
        int stored = i32(file, at + 4);
        byte[] expected = payload.clone();
        expected[wanted] ^= 1;
        int upper = Math.min(stored, wanted + 64);
        for (int i = upper - 1; i >= 0; i--) {
            int candidate = at + FRAME + i;
            if (file[candidate] != old) {
                continue;
            }
            file[candidate] ^= 1;
            byte[] decoded = decode(file, at);
            file[candidate] ^= 1;
            if (decoded != null && Arrays.equals(decoded, expected)) {
                return candidate;
            }
        }
        return -1;
    }

    private static int checksum(byte[] b, int from, int length) {
        CRC32C crc = new CRC32C();
        crc.update(b, from, length);
        return (int) crc.getValue();
    }

    private static int blockChecksum(long position, byte[] file, int length) {
        CRC32C crc = new CRC32C();
        for (int shift = 0; shift < 64; shift += 8) {
            crc.update((int) (position >>> shift) & 0xFF);
        }
        crc.update(file, (int) position + 4, length - 4);
        return (int) crc.getValue();
    }
}
