package io.palimpsest.server.backup;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.protocol.TarReader;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;

/** Files that may be compressed: gzip is read, by what they begin with and not by their names. */
final class ArchiveFile {
    private static final int PIECE = 128 << 10;
    private static final int MAGIC = 4;

    private ArchiveFile() {}

    /** Reads a tar archive from end to end. */
    static void tar(Path archive, TarReader.Visitor to) {
        TarReader reader = new TarReader(to);
        byte[] piece = new byte[PIECE];
        try (InputStream in = open(archive)) {
            for (int n; (n = in.read(piece)) >= 0; ) {
                reader.push(piece, 0, n);
            }
            reader.finish();
        } catch (PageserverException e) {
            throw new PageserverException(e.code(), archive + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.IO, archive + " cannot be read to its end: " + e.getMessage(), e);
        }
    }

    /** The content; UNSUPPORTED if it is compressed by something else. */
    static InputStream open(Path path) throws IOException {
        InputStream plain = new BufferedInputStream(Files.newInputStream(path), PIECE);
        boolean done = false;
        try {
            plain.mark(MAGIC);
            byte[] b = plain.readNBytes(MAGIC);
            plain.reset();
            int magic = 0;
            for (byte one : b) {
                magic = magic << 8 | one & 0xFF;
            }
            if (b.length == MAGIC && magic == 0x28B52FFD) {
                throw unsupported(path, "zstd");
            }
            if (b.length == MAGIC && magic == 0x04224D18) {
                throw unsupported(path, "lz4");
            }
            InputStream in =
                    b.length == MAGIC && magic >>> 16 == 0x1F8B
                            ? new GZIPInputStream(plain, PIECE)
                            : plain;
            done = true;
            return in;
        } finally {
            if (!done) {
                plain.close();
            }
        }
    }

    private static PageserverException unsupported(Path path, String by) {
        return PageserverException.of(
                ErrorCode.UNSUPPORTED,
                "%s is compressed by %s; only plain files and gzip are read: decompress it first (%s -d)",
                path,
                by,
                by);
    }
}
