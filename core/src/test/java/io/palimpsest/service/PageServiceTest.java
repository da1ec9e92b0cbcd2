package io.palimpsest.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.protocol.PagestreamRequest;
import io.palimpsest.protocol.PagestreamResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class PageServiceTest {
    private static final String TENANT = FakeSource.TENANT;
    private static final String TIMELINE = FakeSource.TIMELINE;

    private final FakeSource source = new FakeSource();
    private final Pipe pipe = new Pipe();
    private final PageService service = new PageService(source::find, Authentication.TRUST);

    PageServiceTest() {
        pipe.startup();
    }

    private static PagestreamRequest request() {
        return new PagestreamRequest(3).header(77, -1L, 5);
    }

    private void pagestream(PagestreamRequest... requests) {
        pipe.query("pagestream_v3 " + TENANT + " " + TIMELINE);
        for (PagestreamRequest request : requests) {
            pipe.request(request);
        }
    }

    @Test
    void answersEveryOperation() {
        PagestreamRequest[] requests = {
            request().exists(1663, 5, 16384, 0),
            request().exists(1663, 5, 16385, 0),
            request().blocks(1663, 5, 16384, 1),
            request().blocks(1663, 5, 16384, 2),
            request().blocks(1663, 5, 16384, 3),
            request().page(1663, 5, 16384, 0, 2),
            request().databaseSize(5),
            request().databaseSize(99),
            request().slruSegment(2, 0),
            request().slruSegment(2, 1),
            request().slruSegment(4, 0),
            request().page(1663, 5, 0, 0, 2),
            request().page(1663, 5, 16385, 0, 2),
        };
        pagestream(requests);
        service.serve(pipe);
        assertEquals("W" + "d".repeat(requests.length), pipe.types());
        List<PagestreamResponse> answers = new ArrayList<>();
        for (int i = 0; i < requests.length; i++) {
            answers.add(pipe.response(i + 1, requests[i]));
        }
        assertEquals(new PagestreamResponse.Exists(true), answers.get(0));
        assertEquals(new PagestreamResponse.Exists(false), answers.get(1));
        assertEquals(new PagestreamResponse.Blocks(2), answers.get(2));
        assertEquals(new PagestreamResponse.Blocks(0), answers.get(3));
        assertTrue(failure(answers.get(4)).startsWith("Not found: relation 1663/5/16384_init"));
        assertEquals(2, ((PagestreamResponse.Pages) answers.get(5)).bytes()[8191]);
        assertEquals(new PagestreamResponse.DatabaseSize(5 * 8192), answers.get(6));
        assertEquals(new PagestreamResponse.DatabaseSize(0), answers.get(7));
        byte[] segment = ((PagestreamResponse.Pages) answers.get(8)).bytes();
        assertEquals(2 * 8192, segment.length);
        assertEquals(21, segment[8192]);
        assertTrue(failure(answers.get(9)).startsWith("Not found: segment 1"));
        assertTrue(failure(answers.get(10)).startsWith("Bad request: found SLRU kind 4"));
        assertTrue(failure(answers.get(11)).startsWith("Bad request: invalid relnode"));
        assertTrue(failure(answers.get(12)).startsWith("Not found: no relation"));
        assertTrue(pipe.closed);
        // The greeting with the CopyBoth, then all answers together.
        assertEquals(2, pipe.writes.size());
    }

    private static String failure(PagestreamResponse response) {
        return assertInstanceOf(PagestreamResponse.Failure.class, response).message();
    }

    @Test
    void sendsWhatItHasBeforeItWaits() {
        PagestreamRequest page = request().page(1663, 5, 16384, 0, 1);
        PagestreamRequest late =
                new PagestreamRequest(3).header(1, -1L, FakeSource.LAST + 8).databaseSize(5);
        pagestream(page, late, page);
        service.serve(pipe);
        assertEquals(3, pipe.writes.size());
        assertEquals("LSN timeout: waited", failure(pipe.response(2, late)));
        assertInstanceOf(PagestreamResponse.Pages.class, pipe.response(3, page));
        assertEquals(List.of("0/1008"), source.waits);
    }

    @Test
    void sendsManyAnswersInPieces() {
        PagestreamRequest[] pages = new PagestreamRequest[100];
        Arrays.setAll(pages, i -> request().page(1663, 5, 16384, 0, i));
        pagestream(pages);
        service.serve(pipe);
        assertEquals(1 + 4, pipe.writes.size());
        for (int i = 0; i < 100; i++) {
            assertEquals(i, ((PagestreamResponse.Pages) pipe.response(i + 1, pages[i])).bytes()[0]);
        }
    }

    /** What is wrong with one of several pages that are read together is that one's answer. */
    @Test
    void pipelinedPagesFailOneByOne() {
        PagestreamRequest[] pages = new PagestreamRequest[40];
        for (int i = 0; i < pages.length; i++) {
            pages[i] =
                    new PagestreamRequest(3)
                            .header(i, i % 11 == 3 ? 0 : -1L, 0)
                            .page(1663, 5, i % 9 == 5 ? 16385 : 16384, 0, 50 - i);
        }
        pagestream(pages);
        service.serve(pipe);
        assertEquals("W" + "d".repeat(pages.length), pipe.types());
        for (int i = 0; i < pages.length; i++) {
            PagestreamResponse answer = pipe.response(i + 1, pages[i]);
            if (i % 11 == 3) {
                assertTrue(failure(answer).startsWith("Bad request: R is 0"));
            } else if (i % 9 == 5) {
                assertTrue(failure(answer).startsWith("Not found: no relation"));
            } else {
                assertEquals(50 - i, ((PagestreamResponse.Pages) answer).bytes()[8191]);
            }
        }
    }

    /** What the session says by itself, here that a CopyDone is wrong, stays behind the answers. */
    @Test
    void whatComesAfterPipelinedPagesThatFailIsAnsweredAfterThem() {
        PagestreamRequest good = request().page(1663, 5, 16384, 0, 1);
        PagestreamRequest missing = request().page(1663, 5, 16385, 0, 1);
        pagestream(good, missing, good);
        pipe.in.u8('c');
        pipe.in.i32BE(4);
        pipe.query("set x");
        service.serve(pipe);
        assertEquals("WdddEZCZ", pipe.types());
        assertTrue(failure(pipe.response(2, missing)).startsWith("Not found: no relation"));
        assertInstanceOf(PagestreamResponse.Pages.class, pipe.response(3, good));
        assertTrue(pipe.text(4).contains("'c' within a pagestream"), pipe.text(4));
    }

    @Test
    void aWrongTimelineShowsAtTheFirstRequest() {
        String other = TIMELINE.replace('f', '0');
        PagestreamRequest page = request().page(1663, 5, 16384, 0, 1);
        pipe.query("pagestream_v3 " + TENANT + " " + other);
        pipe.request(page);
        pipe.request(request().databaseSize(5));
        pipe.query("set x to y");
        service.serve(pipe);
        assertEquals("WdEZCZ", pipe.types());
        assertTrue(failure(pipe.response(1, page)).contains("is not here"));
        assertTrue(pipe.text(2).contains("XX000\0MNot found: timeline"));
    }

    @Test
    void shuttingDownEndsTheSession() {
        source.failure = PageserverException.of(ErrorCode.SHUTTING_DOWN, "going away");
        pagestream(request().page(1663, 5, 16384, 0, 1), request().databaseSize(5));
        service.serve(pipe);
        assertEquals("WE", pipe.types());
        assertTrue(pipe.text(1).contains("57P01"));
        assertTrue(pipe.closed);
    }

    @Test
    void damageIsAnAnswerAndTheStreamGoesOn() {
        source.failure = PageserverException.corruption("layer x: checksum");
        PagestreamRequest page = request().page(1663, 5, 16384, 0, 1);
        PagestreamRequest size = request().databaseSize(6);
        pagestream(page, size);
        service.serve(pipe);
        assertEquals("Read error: layer x: checksum", failure(pipe.response(1, page)));
        assertEquals(new PagestreamResponse.DatabaseSize(9 * 8192), pipe.response(2, size));
    }

    @Test
    void aWrongProgramEndsTheConnectionAndIsReported() {
        source.failure = assertThrows(Check.Failed.class, () -> Check.that(false, "a bug"));
        pagestream(request().page(1663, 5, 16384, 0, 1));
        assertThrows(Check.Failed.class, () -> service.serve(pipe));
        assertTrue(pipe.text(pipe.messages().size() - 1).contains("internal error: a bug"));
        assertTrue(pipe.closed);
    }

    @Test
    void aLostClientIsNormal() {
        pipe.broken = true;
        service.serve(pipe);
        assertTrue(pipe.closed);
    }

    @Test
    void leasesAnLsn() {
        pipe.query("lease lsn " + TENANT + " " + TIMELINE + " 0/10 ");
        pipe.query("LEASE lsn " + TENANT + "-0001\t" + TIMELINE + " 0/10;");
        pipe.query("lease lsn " + TENANT + " " + TIMELINE + " 0/2000");
        pipe.query("lease lsn " + TIMELINE + " " + TIMELINE + " 0/10");
        pipe.query("lease lsn " + TENANT + "-0102 " + TIMELINE + " 0/10");
        pipe.query("lease page " + TENANT + " " + TIMELINE + " 0/10");
        pipe.query("lease lsn " + TENANT + " " + TIMELINE);
        service.serve(pipe);
        assertEquals("TDCZTDCZTDCZEZEZEZEZ", pipe.types());
        byte[] description = pipe.messages().getFirst();
        assertEquals("valid_until", new String(description, 7, 11, StandardCharsets.US_ASCII));
        for (int i : new int[] {1, 5}) {
            byte[] m = pipe.messages().get(i);
            assertEquals(1, Bytes.u16BE(m, 5));
            assertEquals(13, Bytes.i32BE(m, 7));
            assertEquals("1764000000016", new String(m, 11, 13, StandardCharsets.US_ASCII));
        }
        byte[] refused = pipe.messages().get(9);
        assertEquals(11, refused.length);
        assertEquals(-1, Bytes.i32BE(refused, 7), "NULL, not an error");
    }

    @Test
    void baseBackupsAreAskedForInTheFieldsGrammar() {
        String target = TENANT + " " + TIMELINE;
        for (String good :
                List.of(
                        "basebackup " + target,
                        "basebackup " + target + " 0/10",
                        "basebackup " + target + " latest --gzip --replica",
                        "basebackup " + target + " --replica --gzip",
                        "fullbackup " + target,
                        "fullbackup " + target + " 0/10 0/8",
                        "fullbackup " + target + " 0/10 --stock")) {
            pipe.query(good);
        }
        for (String bad :
                List.of(
                        "basebackup " + TENANT,
                        "basebackup " + target + " --gzip --gzip",
                        "basebackup " + target + " --gzip 0/10",
                        "basebackup " + target + " --stock",
                        "basebackup " + target + " 0/10 0/8",
                        "fullbackup " + target + " 0/10 0/8 0/9",
                        "fullbackup " + target + " --gzip",
                        "fullbackup " + target + " 0/x")) {
            pipe.query(bad);
        }
        service.serve(pipe);
        assertEquals("EZ".repeat(15), pipe.types());
        for (int i = 0; i < 14; i += 2) {
            assertTrue(pipe.text(i).contains("there are no base backups here"), pipe.text(i));
        }
        for (int i = 14; i < 30; i += 2) {
            assertTrue(pipe.text(i).contains("backup: found") || pipe.text(i).contains("0/x"));
        }
    }

    @Test
    void listsTheKeyspace() {
        pipe.query("keyspace " + TENANT + " " + TIMELINE + " latest");
        pipe.query("keyspace " + TIMELINE + " " + TIMELINE + " latest");
        pipe.query("keyspace " + TENANT + " " + TIMELINE + " 0/0");
        service.serve(pipe);
        assertEquals("TDDDDDCZEZEZ", pipe.types());
        List<String> rows = new ArrayList<>();
        for (int i = 1; i <= 5; i++) {
            byte[] m = pipe.messages().get(i);
            StringBuilder row = new StringBuilder();
            int at = 7;
            while (at < m.length) {
                int length = Bytes.i32BE(m, at);
                row.append(new String(m, at + 4, length, StandardCharsets.UTF_8)).append(' ');
                at += 4 + length;
            }
            rows.add(row.toString().trim());
        }
        assertEquals(
                List.of(
                        "rel 1663 5 16384 0 3",
                        "rel 1663 5 16384 1 2",
                        "rel 1663 6 16384 0 9",
                        "rel 1664 0 1262 0 1",
                        "slru 2 0 0 0 2"),
                rows);
    }

    private String typesWith(String token, String... queries) {
        if (token != null) {
            pipe.in.u8('p');
            pipe.in.i32BE(5 + token.length());
            pipe.in.bytes(token.getBytes(StandardCharsets.UTF_8));
            pipe.in.u8(0);
        }
        for (String query : queries) {
            pipe.query(query);
        }
        new PageService((tenant, timeline) -> source, TenantNames.AS_TOKENS).serve(pipe);
        ByteSink all = new ByteSink(64);
        pipe.writes.forEach(all::bytes);
        StringBuilder types = new StringBuilder();
        for (int m = 0; m < all.size(); m += 1 + Bytes.i32BE(all.array(), m + 1)) {
            types.append((char) all.array()[m]);
        }
        return types.toString();
    }

    @Test
    void aTokenOpensWhatItIsFor() {
        String lease = "lease lsn " + TENANT + " " + TIMELINE + " 0/100";
        String page = "pagestream_v3 " + TENANT + " " + TIMELINE;
        assertEquals("RRSZ" + "TDCZ" + "CZ" + "W", typesWith(TENANT, lease, "set x", page));
        assertTrue(pipe.closed);
    }

    @Test
    void aTokenOpensNothingElse() {
        String others =
                typesWith(
                        TENANT.replace('0', '1'),
                        "pagestream_v3 " + TENANT + " " + TIMELINE,
                        "pagestream_v2 " + TENANT + " " + TIMELINE,
                        "keyspace " + TENANT + " " + TIMELINE + " latest",
                        "lease lsn " + TENANT + " " + TIMELINE + " 0/100",
                        "basebackup " + TENANT + " " + TIMELINE,
                        "fullbackup " + TENANT + " " + TIMELINE,
                        "set x");
        assertEquals("RRSZ" + "EZ".repeat(6) + "CZ", others);
    }

    @Test
    void nobodyComesInWithoutAGoodToken() {
        assertEquals("RE", typesWith("nonsense", "set x"));
        assertTrue(pipe.closed);
    }

    @Test
    void nothingIsRunBeforeTheToken() {
        assertEquals("RE", typesWith(null, "set x"));
        assertTrue(pipe.closed);
    }
}
