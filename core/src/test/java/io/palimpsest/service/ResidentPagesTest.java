package io.palimpsest.service;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.Net;
import io.palimpsest.protocol.PagestreamCodec;
import io.palimpsest.protocol.PagestreamRequest;
import io.palimpsest.value.Keys;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class ResidentPagesTest {
    private final FakeSource source = new FakeSource();
    private final Pipe pipe = new Pipe();
    private final PageConnection connection =
            new PageConnection(source::find, Authentication.TRUST, pipe);

    ResidentPagesTest() {
        source.sizes.put(Keys.relationSize(new RelTag(1663, 5, 16384, 0)), 100);
    }

    private static PagestreamRequest request(int version) {
        return new PagestreamRequest(version).header(77, -1L, 5);
    }

    private static PagestreamRequest page(int version, int block) {
        return request(version).page(1663, 5, 16384, 0, block);
    }

    private static byte[] bytes(PagestreamRequest... requests) {
        ByteSink out = new ByteSink(64);
        for (PagestreamRequest request : requests) {
            PagestreamCodec.encodeRequest(request, out);
        }
        return out.toByteArray();
    }

    private boolean take(byte... bytes) {
        return connection.take(bytes, 0, bytes.length);
    }

    private void query(String text) {
        Pipe sent = new Pipe();
        sent.query(text);
        take(sent.in.toByteArray());
    }

    private void startUp() {
        Pipe sent = new Pipe();
        sent.startup();
        take(sent.in.toByteArray());
    }

    private void pagestream(int version) {
        query("pagestream_v" + version + " " + FakeSource.TENANT + " " + FakeSource.TIMELINE);
    }

    private byte[] answered(byte[] message) {
        ByteSink out = new ByteSink(16);
        out.u8(0x55);
        Net.AtOnce atOnce = connection.atOnce();
        assertNotNull(atOnce);
        boolean done = atOnce.answer(message, 0, message.length, out);
        assertEquals(done, out.size() > 1);
        assertEquals(0x55, out.array()[0]);
        return Arrays.copyOfRange(out.array(), 1, out.size());
    }

    private byte[] lastWrite() {
        return pipe.writes.getLast();
    }

    @Test
    void theOneOfAPagestreamComesWithItsFirstRequest() {
        assertNull(connection.atOnce());
        startUp();
        assertNull(connection.atOnce());
        pagestream(3);
        assertNull(connection.atOnce(), "it is not known whose pages are asked for");
        take(bytes(page(3, 1)));
        assertNotNull(connection.atOnce());
    }

    @Test
    void thereIsNoneWhileAPartOfAMessageIsHere() {
        startUp();
        pagestream(3);
        byte[] two = bytes(page(3, 1), page(3, 2));
        for (int i = 0; i < two.length; i++) {
            take(two[i]);
            assertEquals((i + 1) % (two.length / 2) == 0, connection.atOnce() != null, "byte " + i);
        }
    }

    @Test
    void thereIsNoneOutsideOfAPagestream() {
        startUp();
        pagestream(3);
        take(bytes(page(3, 1)));
        take((byte) 'c', (byte) 0, (byte) 0, (byte) 0, (byte) 4);
        assertNull(connection.atOnce());
        query("set x");
        assertNull(connection.atOnce());
        pagestream(2);
        assertNull(connection.atOnce(), "not that of the one before");
        take(bytes(page(2, 1)));
        assertArrayEquals(lastWrite(), answered(bytes(page(2, 1))));
        assertFalse(take((byte) 'X', (byte) 0, (byte) 0, (byte) 0, (byte) 4));
        assertNull(connection.atOnce());
    }

    @Property(tries = 200)
    void answersAsTheConnectionDoes(
            @ForAll @IntRange(min = 2, max = 3) int version,
            @ForAll @Size(min = 1, max = 20) int[] blocks,
            @ForAll byte[] behind) {
        ResidentPagesTest t = new ResidentPagesTest();
        t.startUp();
        t.pagestream(version);
        t.take(bytes(page(version, 0)));
        for (int any : blocks) {
            int block = Math.floorMod(any, 100);
            byte[] message = bytes(page(version, block));
            // What follows the request in its message is ignored.
            byte[] longer = Arrays.copyOf(message, message.length + behind.length % 99);
            longer[4] += (byte) (longer.length - message.length);
            byte[] got = t.answered(longer);
            t.take(longer);
            assertArrayEquals(block % 4 == 3 ? new byte[0] : t.lastWrite(), got);
        }
    }

    @Test
    void declinesAllButPlainPages() {
        startUp();
        pagestream(3);
        take(bytes(page(3, 1)));
        PagestreamRequest[] others = {
            request(3).exists(1663, 5, 16384, 0),
            request(3).blocks(1663, 5, 16384, 0),
            request(3).databaseSize(5),
            request(3).slruSegment(2, 0),
            request(3).page(1663, 5, 0, 0, 1),
            request(3).page(1663, 5, 16384, 9, 1),
            request(3).page(1663, 5, 16385, 0, 1),
            page(3, 3),
            page(3, 100),
            page(3, 1).header(1, 0, 0),
            page(3, 1).header(1, -1L, FakeSource.LAST + 1),
        };
        for (PagestreamRequest other : others) {
            assertEquals(0, answered(bytes(other)).length, other.operation().toString());
        }
        byte[] unknown = bytes(page(3, 1));
        unknown[5] = 77;
        assertEquals(0, answered(unknown).length);
        byte[] tooShort = {'d', 0, 0, 0, 5, 2};
        assertEquals(0, answered(tooShort).length);
        assertEquals(0, answered(new byte[] {'X', 0, 0, 0, 4}).length);
        assertTrue(answered(bytes(page(3, 1))).length > PagestreamCodec.PAGE);
    }

    /** Where it is found again it is answered, or reported if it is a bug of ours. */
    @Test
    void declinesWhatFails() {
        startUp();
        pagestream(3);
        take(bytes(page(3, 1)));
        source.failure = PageserverException.of(ErrorCode.SHUTTING_DOWN, "going away");
        assertEquals(0, answered(bytes(page(3, 1))).length);
        source.failure = assertThrows(Check.Failed.class, () -> Check.that(false, "a bug"));
        assertEquals(0, answered(bytes(page(3, 1))).length);
        assertThrows(Check.Failed.class, () -> take(bytes(page(3, 1))));
        assertTrue(new String(lastWrite(), StandardCharsets.UTF_8).contains("a bug"));
    }

    @Test
    void messagesEndWhereTheirLengthsSay() {
        startUp();
        pagestream(3);
        take(bytes(page(3, 1)));
        Net.AtOnce atOnce = connection.atOnce();
        assertNotNull(atOnce);
        byte[] two = bytes(page(3, 1), page(3, 2));
        int one = two.length / 2;
        for (int to = 0; to <= two.length; to++) {
            assertEquals(to < one ? 0 : one, atOnce.message(two, 0, to), "to " + to);
            assertEquals(to < two.length ? 0 : one, atOnce.message(two, one, Math.max(one, to)));
        }
        byte[] other = {1, 'X', 0, 0, 0, 4, 9};
        assertEquals(6, atOnce.message(other, 1, 7), "whatever that is, it is all of it");
        byte[] negative = {'d', -1, 0, 0, 0, 7};
        assertEquals(6, atOnce.message(negative, 0, 6));
        byte[] endless = {'d', 0, 1, 0, 1, 7};
        assertEquals(6, atOnce.message(endless, 0, 6));
        byte[] longest = {'d', 0, 1, 0, 0, 7};
        assertEquals(0, atOnce.message(longest, 0, 6));
    }
}
