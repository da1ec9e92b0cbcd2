package io.palimpsest.regress.bench;

import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;

/**
 * What a request to a process costs at the least: a child that reads as many bytes as a request has
 * and writes as many as an answer.
 */
final class BarePipe implements PageMaker {
    private final Process child;
    private final OutputStream out;
    private final InputStream in;
    private final byte[] request;
    private final byte[] answer = new byte[8 + Page.SIZE];

    BarePipe(Path echo, int requestBytes) {
        request = new byte[requestBytes];
        try {
            child =
                    new ProcessBuilder(
                                    echo.toString(),
                                    Integer.toString(requestBytes),
                                    Integer.toString(answer.length))
                            .start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out = child.getOutputStream();
        in = child.getInputStream();
    }

    @Override
    public void page(Reconstruction chain, byte[] into) {
        try {
            out.write(request);
            out.flush();
            if (in.readNBytes(answer, 0, answer.length) < answer.length) {
                throw new IOException("the echo child ended");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    long pid() {
        return child.pid();
    }

    @Override
    public void close() {
        child.destroy();
    }
}
