package io.palimpsest.regress.oracle;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.redo.PageMask;
import io.palimpsest.redo.RedoCheck;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.WalRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/**
 * One finding of the oracle, with all that is needed to meet it again: a text file of {@code
 * name=value} lines, read by {@link Properties}.
 *
 * <pre>
 * version=17            hintBitsLogged=false       what=first difference at ...
 * startLsn=0/1A2B3C0    endLsn=0/1A2B418           of the record
 * block=1                                          index of the block in the record
 * record=(base64)                                  the record's xl_tot_len bytes
 * before=(base64)       expected=(base64)          found=(base64)
 * </pre>
 *
 * The three pages are 8192 bytes, unmasked. {@code before} is missing if there was no page, {@code
 * found} if redo threw, {@code expected} if the record had no image to compare with.
 *
 * @param context version, and whether hint bits are logged
 */
public record RedoReproduction(
        RedoContext context,
        long startLsn,
        long endLsn,
        byte[] record,
        int block,
        byte @Nullable [] before,
        byte @Nullable [] expected,
        byte @Nullable [] found,
        String what) {
    static RedoReproduction of(RedoContext context, RedoCheck.Finding finding) {
        WalRecord r = finding.record();
        return new RedoReproduction(
                context,
                r.startLsn(),
                r.endLsn(),
                Arrays.copyOfRange(r.bytes(), r.offset(), r.offset() + r.length()),
                finding.index(),
                finding.before(),
                finding.expected(),
                finding.found(),
                finding.what());
    }

    /**
     * Applies the record once more.
     *
     * @return null if the engine now does what the server did, else what is wrong
     */
    public @Nullable String run(RedoCheck.Engine engine) {
        WalRecord r = parsed();
        ByteSink value = new ByteSink(Page.SIZE);
        StoredValue.record(value, r, block);
        byte[] page = before == null ? new byte[Page.SIZE] : before.clone();
        try {
            engine.apply(
                    new RedoCheck.Change(
                            new RelTag(r.spc(block), r.db(block), r.rel(block), r.fork(block)),
                            r.blockNumber(block),
                            value.array(),
                            value.size(),
                            endLsn),
                    page);
        } catch (PageserverException e) {
            return e.getMessage();
        }
        PageMask.Kind kind = PageMask.Kind.of(r.rmid(), r.fork(block));
        if (expected == null || kind == null) {
            return null;
        }
        byte[] right = expected.clone();
        PageMask.mask(right, kind, r.blockNumber(block));
        PageMask.mask(page, kind, r.blockNumber(block));
        int at = Arrays.mismatch(right, page);
        return at < 0
                ? null
                : String.format(
                        "first difference at %d: expected %02X, found %02X",
                        at, right[at], page[at]);
    }

    /** The record as a view of its bytes. */
    public WalRecord parsed() {
        WalRecord r = new WalRecord();
        r.parse(record, 0, record.length, startLsn, endLsn, context.version());
        return r;
    }

    /** Writes it as the file drawn above. */
    public void write(Path file) throws IOException {
        StringBuilder out = new StringBuilder();
        line(out, "version", Integer.toString(context.version().major()));
        line(out, "hintBitsLogged", Boolean.toString(context.hintBitsLogged()));
        line(out, "what", what.replace("\\", "\\\\").replace("\n", " "));
        line(out, "startLsn", Lsn.toString(startLsn));
        line(out, "endLsn", Lsn.toString(endLsn));
        line(out, "block", Integer.toString(block));
        bytes(out, "record", record);
        bytes(out, "before", before);
        bytes(out, "expected", expected);
        bytes(out, "found", found);
        Files.writeString(file, out);
    }

    private static void line(StringBuilder out, String name, String value) {
        out.append(name).append('=').append(value).append('\n');
    }

    private static void bytes(StringBuilder out, String name, byte @Nullable [] value) {
        if (value != null) {
            line(out, name, Base64.getEncoder().encodeToString(value));
        }
    }

    /**
     * Reads such a file.
     *
     * @throws IOException it cannot be read or is not such a file
     */
    public static RedoReproduction read(Path file) throws IOException {
        Properties lines = new Properties();
        try (var in = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            lines.load(in);
        }
        try {
            return new RedoReproduction(
                    new RedoContext(
                            PgVersion.ofMajor(Integer.parseInt(text(lines, "version"))),
                            Boolean.parseBoolean(text(lines, "hintBitsLogged"))),
                    Lsn.parse(text(lines, "startLsn")).value(),
                    Lsn.parse(text(lines, "endLsn")).value(),
                    Base64.getDecoder().decode(text(lines, "record")),
                    Integer.parseInt(text(lines, "block")),
                    page(lines, "before"),
                    page(lines, "expected"),
                    page(lines, "found"),
                    text(lines, "what"));
        } catch (IllegalArgumentException | PageserverException e) {
            throw new IOException(file + ": no reproduction of a redo finding: " + e, e);
        }
    }

    private static String text(Properties lines, String name) {
        String value = lines.getProperty(name);
        if (value == null) {
            throw new IllegalArgumentException("no " + name);
        }
        return value;
    }

    private static byte @Nullable [] page(Properties lines, String name) {
        String value = lines.getProperty(name);
        if (value == null) {
            return null;
        }
        byte[] page = Base64.getDecoder().decode(value);
        if (page.length != Page.SIZE) {
            throw new IllegalArgumentException(name + " has " + page.length + " bytes");
        }
        return page;
    }
}
