package io.palimpsest.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.fixtures.wire.Conversation;
import io.palimpsest.fixtures.wire.Garble;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What computes send and get, byte by byte; then the same, garbled. */
class ConversationTest {
    private static final List<Conversation> ALL = Conversation.all();

    /**
     * Answers are no more than this many times what was asked, a page for each request included.
     */
    private static final int MOST_ANSWERED = 64 << 20;

    static Stream<Conversation> all() {
        return ALL.stream();
    }

    /** One connection, fed in pieces. */
    private static final class Client {
        final Pipe pipe = new Pipe();
        final PageConnection connection;
        boolean ended;

        Client(boolean asksForToken) {
            connection =
                    new PageConnection(
                            new FakeSource()::find,
                            asksForToken ? TenantNames.AS_TOKENS : Authentication.TRUST,
                            pipe);
        }

        void feed(byte[] bytes, Random pieces) {
            for (int at = 0; at < bytes.length && !ended; ) {
                int n = Math.min(bytes.length - at, 1 + pieces.nextInt(1 << pieces.nextInt(15)));
                ended = !connection.take(bytes, at, n);
                at += n;
            }
        }

        byte[] answers() {
            ByteSink all = new ByteSink(64);
            pipe.writes.forEach(all::bytes);
            return all.toByteArray();
        }
    }

    private static Client client(Conversation of) {
        return new Client(of.topic().equals(Conversation.WITH_TOKEN));
    }

    @ParameterizedTest
    @MethodSource("all")
    void answersAsTheFieldDoes(Conversation conversation) {
        byte[] sent = conversation.sent();
        Client whole = client(conversation);
        whole.ended = !whole.connection.take(sent, 0, sent.length);
        assertEquals("", conversation.mismatch(whole.answers(), whole.ended));
        Client bytewise = client(conversation);
        for (int i = 0; i < sent.length && !bytewise.ended; i++) {
            bytewise.ended = !bytewise.connection.take(sent, i, 1);
        }
        assertEquals("", conversation.mismatch(bytewise.answers(), bytewise.ended));
        for (int seed = 0; seed < 20; seed++) {
            Client pieces = client(conversation);
            pieces.feed(sent, new Random(seed));
            assertEquals("", conversation.mismatch(pieces.answers(), pieces.ended), "seed " + seed);
        }
    }

    /** Whatever comes: whole messages go back, never an error of our own, and nothing piles up. */
    @Property(tries = 3000)
    void garbageIsAnsweredOrEndsTheConnection(@ForAll long seed) {
        Random random = new Random(seed);
        byte[] sent = new Garble(ALL, random).next();
        Client client = new Client(random.nextBoolean());
        client.feed(sent, random);
        byte[] answers = client.answers();
        assertTrue(answers.length < MOST_ANSWERED, () -> answers.length + " bytes of answers");
        // 'N' for a refused encryption is the one answer without a length.
        int at = 0;
        while (at < answers.length && at < 2 && answers[at] == 'N') {
            at++;
        }
        while (at < answers.length) {
            assertTrue(
                    "RSZEHdcCWTDt123n".indexOf(answers[at]) >= 0, HexFormat.of().formatHex(sent));
            assertTrue(at + 5 <= answers.length, HexFormat.of().formatHex(sent));
            at += 1 + Bytes.i32BE(answers, at + 1);
        }
        assertEquals(answers.length, at, HexFormat.of().formatHex(sent));
    }
}
