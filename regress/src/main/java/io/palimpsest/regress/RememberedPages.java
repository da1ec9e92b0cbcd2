package io.palimpsest.regress;

import io.palimpsest.pg.Page;
import io.palimpsest.pg.Slru;
import io.palimpsest.regress.PageSource.Answer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Every page there was at an LSN, as a digest, so that the same can be read again later, when all
 * else has changed: byte for byte, nothing is masked.
 */
final class RememberedPages {
    private static final int AT_ONCE = 512;
    private static final String LABEL = "read before the loss";

    private final long lsn;
    private final Map<String, String> digests;

    private RememberedPages(long lsn, Map<String, String> digests) {
        this.lsn = lsn;
        this.digests = digests;
    }

    static RememberedPages read(PageSource source, long lsn) {
        return new RememberedPages(lsn, digests(source, lsn));
    }

    int size() {
        return digests.size();
    }

    long lsn() {
        return lsn;
    }

    /** Reads it all again. */
    void compare(PageSource source, ComparisonReport report) {
        Map<String, String> again = digests(source, lsn);
        report.relation(LABEL);
        digests.forEach((where, digest) -> {
            String now = again.remove(where);
            if (digest.equals(now)) {
                report.equal(LABEL, false);
            } else {
                report.missing(
                        LABEL,
                        where,
                        now == null ? "was there before the loss" : "was another before the loss",
                        1);
            }
        });
        again.keySet()
                .forEach(where -> report.missing(LABEL, where, "was not there before the loss", 1));
    }

    private static Map<String, String> digests(PageSource source, long lsn) {
        Map<String, String> all = new LinkedHashMap<>();
        PageSource.Keyspace keyspace = source.keyspace(lsn);
        for (PageSource.Fork fork : keyspace.relations()) {
            for (int first = 0; first < fork.blocks(); first += AT_ONCE) {
                int count = Math.min(AT_ONCE, fork.blocks() - first);
                List<Answer> pages = source.pages(fork.tag(), first, count, lsn);
                for (int i = 0; i < count; i++) {
                    all.put(fork.tag() + " block " + (first + i), digest(pages.get(i)));
                }
            }
        }
        for (PageSource.Segment segment : keyspace.slruSegments()) {
            segment(source.slruSegment(segment.slru(), segment.segment(), lsn), segment, all);
        }
        return all;
    }

    private static void segment(
            Answer answer, PageSource.Segment segment, Map<String, String> into) {
        Slru slru = segment.slru();
        String where = String.format("%s/%04X", slru.directory(), segment.segment());
        switch (answer) {
            case Answer.Refused(String message) -> into.put(where, message);
            case Answer.Pages(byte[] bytes) -> {
                for (int at = 0; at < bytes.length; at += Page.SIZE) {
                    into.put(
                            where + " page " + at / Page.SIZE,
                            digest(
                                    new Answer.Pages(
                                            Arrays.copyOfRange(bytes, at, at + Page.SIZE))));
                }
            }
        }
    }

    private static String digest(Answer answer) {
        return switch (answer) {
            case Answer.Refused(String message) -> message;
            case Answer.Pages(byte[] bytes) -> {
                try {
                    yield HexFormat.of()
                            .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
                } catch (NoSuchAlgorithmException e) {
                    throw new IllegalStateException(e);
                }
            }
        };
    }
}
