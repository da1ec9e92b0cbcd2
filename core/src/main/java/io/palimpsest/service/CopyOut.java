package io.palimpsest.service;

import io.palimpsest.basebackup.BaseBackup;
import io.palimpsest.protocol.ServerSession;
import io.palimpsest.protocol.TarWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;

/** A base backup as messages of COPY OUT, plain or as one gzip stream. */
final class CopyOut extends OutputStream {
    private static final int MESSAGE_BYTES = 64 << 10;
    private static final int LARGE_BYTES = 16 << 10;

    private final ServerSession session;
    private final Runnable sent;
    private final byte[] message = new byte[MESSAGE_BYTES];
    private int length;

    /**
     * @param sent is run after each message, to send what there is
     */
    CopyOut(ServerSession session, Runnable sent) {
        this.session = session;
        this.sent = sent;
    }

    void write(BaseBackup backup, boolean gzip) {
        if (!gzip) {
            backup.write(new TarWriter(this::write, backup.time()));
            flush();
            return;
        }
        try (Fastest zip = new Fastest(this)) {
            backup.write(
                    new TarWriter(
                            (bytes, offset, count) -> {
                                try {
                                    zip.write(bytes, offset, count);
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            },
                            backup.time()));
            zip.finish();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        flush();
    }

    @Override
    public void write(int b) {
        write(new byte[] {(byte) b}, 0, 1);
    }

    /** What is large becomes messages of its own, and is not copied together first. */
    @Override
    public void write(byte[] bytes, int offset, int count) {
        int at = offset;
        int end = offset + count;
        if (count >= LARGE_BYTES) {
            flush();
            while (end - at >= LARGE_BYTES) {
                int n = Math.min(end - at, MESSAGE_BYTES);
                session.copyOut(bytes, at, n);
                sent.run();
                at += n;
            }
        }
        while (at < end) {
            int n = Math.min(end - at, MESSAGE_BYTES - length);
            System.arraycopy(bytes, at, message, length, n);
            at += n;
            length += n;
            if (length == MESSAGE_BYTES) {
                flush();
            }
        }
    }

    /** What is left becomes a message. */
    @Override
    public void flush() {
        if (length > 0) {
            session.copyOut(message, 0, length);
            length = 0;
            sent.run();
        }
    }

    private static final class Fastest extends GZIPOutputStream {
        Fastest(OutputStream out) throws IOException {
            super(out, MESSAGE_BYTES);
            def.setLevel(Deflater.BEST_SPEED);
        }
    }
}
