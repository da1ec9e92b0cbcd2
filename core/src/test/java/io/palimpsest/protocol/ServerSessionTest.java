package io.palimpsest.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.protocol.ServerSession.Event;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ServerSessionTest {
    private static final String TENANT = "0123456789abcdef0123456789abcdef";
    private static final String TIMELINE = "fedcba9876543210fedcba9876543210";

    private final ServerSession session = new ServerSession(false);

    private static byte[] startup(int code, String... parameters) {
        ByteSink body = new ByteSink(64);
        body.i32BE(0);
        body.i32BE(code);
        for (String parameter : parameters) {
            body.bytes(parameter.getBytes(StandardCharsets.UTF_8));
            body.u8(0);
        }
        if (parameters.length > 0) {
            body.u8(0);
        }
        Bytes.putI32BE(body.array(), 0, body.size());
        return body.toByteArray();
    }

    private static byte[] message(char type, Object... parts) {
        ByteSink out = new ByteSink(64);
        out.u8(type);
        out.i32BE(0);
        for (Object part : parts) {
            switch (part) {
                case Byte b -> out.u8(b);
                case Short s -> out.u16BE(s);
                case Integer i -> out.i32BE(i);
                case byte[] b -> out.bytes(b);
                case String s -> {
                    out.bytes(s.getBytes(StandardCharsets.UTF_8));
                    out.u8(0);
                }
                default -> throw new AssertionError(part);
            }
        }
        Bytes.putI32BE(out.array(), 1, out.size() - 1);
        return out.toByteArray();
    }

    private Event feed(byte[] bytes) {
        session.receive(bytes, 0, bytes.length);
        return session.next();
    }

    private void start() {
        assertEquals(
                Event.NEED_BYTES, feed(startup(196608, "user", "x", "application_name", "me")));
        session.out().clear();
    }

    /** The types of the messages in {@code out}, an error with its SQLSTATE; then forgets them. */
    private String types() {
        StringBuilder types = new StringBuilder();
        byte[] b = session.out().toByteArray();
        for (int at = 0; at < b.length; at += 1 + Bytes.i32BE(b, at + 1)) {
            types.append((char) b[at]);
            if (b[at] == 'E') {
                types.append(new String(b, at + 13, 5, StandardCharsets.UTF_8));
            }
        }
        session.out().clear();
        return types.toString();
    }

    @Test
    void refusesEncryptionAndTrustsEverybody() {
        assertEquals(Event.NEED_BYTES, feed(startup(80877103)));
        assertEquals("N", new String(session.out().toByteArray(), StandardCharsets.UTF_8));
        assertEquals(Event.NEED_BYTES, feed(startup(80877104)));
        assertEquals("NN", new String(session.out().toByteArray(), StandardCharsets.UTF_8));
        session.out().clear();
        assertEquals(Event.NEED_BYTES, feed(startup(196608, "user", "x", "application_name", "7")));
        assertEquals("7", session.applicationName());
        String text = new String(session.out().toByteArray(), StandardCharsets.ISO_8859_1);
        assertTrue(text.contains("client_encoding\0UTF8\0"));
        assertTrue(text.contains("integer_datetimes\0on\0"));
        assertTrue(text.contains("server_version\00014.1\0"));
        assertEquals("RSSSZ", types());
    }

    @Test
    void refusesWhatIsNoClient() {
        List<byte[]> garbage = new ArrayList<>();
        garbage.add("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.UTF_8));
        garbage.add(new byte[] {0x16, 3, 1, 2, 0});
        garbage.add(new byte[] {0, 0, 0, 7});
        garbage.add(new byte[] {0, 1, 0, 0});
        garbage.add(startup(80877102));
        garbage.add(startup(1234 << 16 | 1));
        garbage.add(startup(196608, "user", "\uD800").clone());
        garbage.getLast()[13] = (byte) 0xFF;
        garbage.add(new byte[] {0, 0, 0, 9, 0, 3, 0, 0, 'x'});
        for (byte[] bytes : garbage) {
            ServerSession s = new ServerSession(false);
            s.receive(bytes, 0, bytes.length);
            assertEquals(Event.END, s.next());
            assertEquals('E', s.out().array()[0]);
            assertEquals(Event.END, s.next());
        }
    }

    @Test
    void runsQueries() {
        start();
        assertEquals(
                Event.COMMAND,
                feed(message('Q', " PageStream_V3 " + TENANT + " \t" + TIMELINE + " ;")));
        assertEquals(
                new PageCommand.Pagestream(3, TenantId.parse(TENANT), TimelineId.parse(TIMELINE)),
                session.command());
        session.fail("not today");
        assertEquals("EXX000Z", types());
        assertEquals(Event.COMMAND, feed(message('Q', "set datestyle to iso")));
        assertInstanceOf(PageCommand.Set.class, session.command());
        session.complete();
        assertEquals("CZ", types());
        assertEquals(
                Event.COMMAND, feed(message('Q', "keyspace " + TENANT + " " + TIMELINE + " 1/2A")));
        assertEquals(new Lsn(0x1_0000_002AL), ((PageCommand.Keyspace) session.command()).lsn());
        session.rowDescription(List.of("a"), new int[] {25});
        session.row(List.of("x"));
        session.complete();
        assertEquals("TDCZ", types());
        assertEquals(Event.END, feed(message('X')));
        assertEquals("", types());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "set",
                "",
                "select 1",
                "pagestream_v1 " + TENANT + " " + TIMELINE,
                "pagestream_v3 " + TENANT,
                "pagestream_v3 ",
                "pagestream_v3  " + TENANT + " " + TIMELINE,
                "pagestream_v3 " + TENANT + " " + TIMELINE + " x",
                "pagestream_v3 " + TENANT + "0 " + TIMELINE,
                "keyspace " + TENANT + " " + TIMELINE + " 12",
            })
    void refusesOtherQueriesAndGoesOn(String query) {
        start();
        assertEquals(Event.NEED_BYTES, feed(message('Q', query)));
        assertEquals("EXX000Z", types());
    }

    @Test
    void runsTheExtendedProtocol() {
        start();
        assertEquals(Event.NEED_BYTES, feed(message('P', "", "set x to y", (short) 0)));
        assertEquals(Event.NEED_BYTES, feed(message('D', (byte) 'S', "")));
        assertEquals(
                Event.NEED_BYTES,
                feed(message('B', "", "", (short) 0, (short) 0, (short) 1, (short) 0)));
        assertEquals(Event.COMMAND, feed(message('E', "", 0)));
        session.complete();
        assertEquals(Event.NEED_BYTES, feed(message('C', (byte) 'S', "")));
        assertEquals(Event.NEED_BYTES, feed(message('S')));
        assertEquals("1tn2C3Z", types());
    }

    @Test
    void skipsToSyncAfterAnError() {
        start();
        assertEquals(Event.NEED_BYTES, feed(message('P', "name", "set x to y", (short) 0)));
        assertEquals(Event.NEED_BYTES, feed(message('E', "", 0)));
        assertEquals(Event.NEED_BYTES, feed(message('Q', "set x to y")));
        assertEquals(Event.NEED_BYTES, feed(message('S')));
        assertEquals("EXX000Z", types());
        assertEquals(Event.NEED_BYTES, feed(message('E', "", 0)));
        assertEquals(Event.NEED_BYTES, feed(message('S')));
        assertEquals("EXX000Z", types());
    }

    @Test
    void copyMessagesOutsideOfACopyEndTheSession() {
        start();
        assertEquals(Event.END, feed(message('d', new byte[3])));
        assertEquals("E08P01", types());
    }

    @Test
    void decodesPipelinedRequests() {
        start();
        assertEquals(Event.COMMAND, feed(message('Q', "pagestream_v2 " + TENANT + " " + TIMELINE)));
        session.startPagestream(2);
        assertEquals(
                "W\0\0\0\7\0\0\0",
                new String(session.out().toByteArray(), StandardCharsets.ISO_8859_1));
        session.out().clear();
        ByteSink requests = new ByteSink(64);
        for (int i = 0; i < 100; i++) {
            PagestreamCodec.encodeRequest(
                    new PagestreamRequest(2).header(0, -1, 5).page(1663, 5, 16384, 0, i), requests);
        }
        session.receive(requests.array(), 0, requests.size() - 3);
        for (int i = 0; i < 99; i++) {
            assertEquals(Event.REQUEST, session.next());
            assertEquals(i, session.request().block());
        }
        assertEquals(Event.NEED_BYTES, session.next());
        session.receive(requests.array(), requests.size() - 3, 3);
        assertEquals(Event.REQUEST, session.next());
        assertEquals(99, session.request().block());
        assertTrue(session.inPagestream());
        assertEquals(Event.NEED_BYTES, feed(message('d', (byte) 9, new byte[40])));
        assertEquals("EXX000Z", types());
        assertTrue(!session.inPagestream());
    }

    /** Any bytes in any pieces: never a hang, never another exception, never endless memory. */
    @Property(tries = 1000)
    void garbageNeverHurts(
            @ForAll @IntRange(max = 2) int manners,
            @ForAll @Size(max = 80) List<Byte> garbage,
            @ForAll long seed) {
        ByteSink in = new ByteSink(64);
        if (manners > 0) {
            in.bytes(startup(196608, "user", "x"));
        }
        if (manners > 1) {
            in.bytes(message('Q', "pagestream_v3 " + TENANT + " " + TIMELINE));
        }
        Random random = new Random(seed);
        for (byte b : garbage) {
            if (random.nextInt(8) == 0) {
                byte[] body = new byte[random.nextInt(60)];
                random.nextBytes(body);
                in.bytes(message("QPBDECSHXdcfp".charAt(random.nextInt(13)), body));
            }
            in.u8(b);
        }
        ServerSession s = new ServerSession(false);
        int at = 0;
        Event event = s.next();
        while (at < in.size() && event != Event.END) {
            int n = Math.min(in.size() - at, 1 + random.nextInt(30));
            s.receive(in.array(), at, n);
            at += n;
            while ((event = s.next()) != Event.NEED_BYTES && event != Event.END) {
                if (event == Event.COMMAND) {
                    if (s.command() instanceof PageCommand.Pagestream p) {
                        s.startPagestream(p.version());
                    } else {
                        s.complete();
                    }
                } else {
                    PagestreamCodec.error(s.request(), "no", s.out());
                }
            }
        }
        byte[] out = s.out().toByteArray();
        int end = 0;
        while (end < out.length && (out[end] == 'N' && manners == 0)) {
            end++;
        }
        while (end < out.length) {
            end += 1 + Bytes.i32BE(out, end + 1);
        }
        assertEquals(out.length, end);
    }

    @Test
    void misuseIsAWrongProgram() {
        start();
        assertThrows(RuntimeException.class, session::command);
        assertThrows(RuntimeException.class, session::complete);
        feed(message('Q', "set a to b"));
        assertThrows(RuntimeException.class, session::next);
        assertThrows(PageserverException.class, () -> PageCommand.parse("x"));
    }
}
