package io.palimpsest.server.cli;

import java.io.PrintWriter;
import java.io.Writer;

/**
 * The talk of a command that was told to be quiet: of its lines only those that say what is wrong.
 */
final class QuietWriter extends Writer {
    static final String WRONG = "palimpsest: ";

    private final PrintWriter to;
    private final StringBuilder line = new StringBuilder();

    QuietWriter(PrintWriter to) {
        this.to = to;
    }

    @Override
    public void write(char[] text, int from, int length) {
        for (int i = from; i < from + length; i++) {
            if (text[i] == '\n') {
                end();
            } else if (text[i] != '\r') {
                line.append(text[i]);
            }
        }
    }

    private void end() {
        if (line.indexOf(WRONG) == 0) {
            to.println(line);
        }
        line.setLength(0);
    }

    @Override
    public void flush() {
        to.flush();
    }

    @Override
    public void close() {
        end();
        to.flush();
    }
}
