package io.palimpsest.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.protocol.ReplicationStream.Event;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.function.BiConsumer;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReplicationConnectionTest {
    private static final ReplicationSettings SETTINGS =
            new ReplicationSettings("db", 5432, "replicator", "s3cret");
    private static final long SECOND = 1_000_000_000L;

    private static ReplicationConnection open(FakeServer server) {
        long[] id = {0x0123_4567_89AB_CDEFL};
        return ReplicationConnection.open(server, server, () -> id[0]++, SETTINGS);
    }

    /** A server that trusts everybody and answers commands by the script. */
    private static FakeServer server(String version, BiConsumer<String, FakeServer> commands) {
        return new FakeServer(
                version.hashCode(),
                (type, body, s) -> {
                    switch (type) {
                        case 0 -> s.welcome(version);
                        case 'Q' -> commands.accept(FakeServer.string(body), s);
                        default -> commands.accept((char) type + "", s);
                    }
                });
    }

    private static PageserverException refused(FakeServer server) {
        PageserverException e = assertThrows(PageserverException.class, () -> open(server));
        assertTrue(server.closed);
        return e;
    }

    @Test
    void sendsItsParametersAndReadsTheVersion() {
        List<String> parameters = new ArrayList<>();
        FakeServer server =
                new FakeServer(
                        1,
                        (type, body, s) -> {
                            assertEquals(196608, Bytes.i32BE(body, 0));
                            String text =
                                    new String(body, 4, body.length - 4, StandardCharsets.UTF_8);
                            parameters.addAll(Arrays.asList(text.split("\0")));
                            s.send('N', (byte) 0).welcome("17beta1 (Debian)");
                        });
        ReplicationConnection connection = open(server);
        assertEquals(PgVersion.V17, connection.version());
        assertEquals("17beta1 (Debian)", connection.serverVersion());
        assertEquals(
                List.of(
                        "user",
                        "replicator",
                        "database",
                        "replication",
                        "replication",
                        "true",
                        "application_name",
                        "palimpsest"),
                parameters);
        connection.close();
        assertTrue(server.closed);
    }

    @Test
    void authenticatesWithCleartextAndMd5() {
        List<String> passwords = new ArrayList<>();
        for (int kind : new int[] {3, 5}) {
            open(
                    new FakeServer(
                            kind,
                            (type, body, s) -> {
                                if (type == 0) {
                                    byte[] salt = {1, 2, (byte) 0xFE, (byte) 0xFF};
                                    s.send('R', kind, kind == 5 ? salt : new byte[0]);
                                } else {
                                    assertEquals('p', type);
                                    passwords.add(FakeServer.string(body));
                                    s.welcome("16.1");
                                }
                            }));
        }
        assertEquals(List.of("s3cret", "md5c91003a8d56a010699c823cdd5d088e3"), passwords);
    }

    @Test
    void doesNotTakeTheServersWordWithoutItsProof() {
        String nonce = "0123456789abcdef0123456789abcdf0";
        PageserverException e =
                refused(
                        new FakeServer(
                                3,
                                (type, body, s) -> {
                                    String text = FakeServer.string(body);
                                    if (type == 0) {
                                        s.send('R', 10, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "");
                                    } else if (text.startsWith("SCRAM-SHA-256\0")) {
                                        assertTrue(text.endsWith("n,,n=replicator,r=" + nonce));
                                        String salt =
                                                Base64.getEncoder().encodeToString(new byte[16]);
                                        String first = "r=" + nonce + "x,s=" + salt + ",i=7";
                                        s.send('R', 11, first.getBytes(StandardCharsets.UTF_8));
                                    } else {
                                        assertTrue(text.startsWith("c=biws,r=" + nonce + "x,p="));
                                        s.welcome("16.1");
                                    }
                                }));
        assertEquals(ErrorCode.SOURCE_BROKEN, e.code());
        assertTrue(e.getMessage().contains("proof"), e.getMessage());
    }

    @Test
    void saysWhyItCannotConnect() {
        PageserverException e =
                refused(
                        new FakeServer(
                                4,
                                (type, body, s) ->
                                        s.error("FATAL", "28P01", "password authentication failed")
                                                .end()));
        assertEquals(ErrorCode.SOURCE_BROKEN, e.code());
        assertTrue(ReplicationError.of(e).isAuthentication());
        assertTrue(e.getMessage().contains("28P01: password authentication failed"));

        e = refused(new FakeServer(4, (type, body, s) -> s.error("FATAL", "57P03", "busy").end()));
        assertEquals(ErrorCode.IO, e.code());
        assertTrue(ReplicationError.is(e, ReplicationError.CANNOT_CONNECT_NOW));

        e = refused(new FakeServer(4, (type, body, s) -> {}));
        assertTrue(e.getMessage().contains("no answer within 10000 ms"), e.getMessage());

        e = refused(server("13.4", (c, s) -> {}));
        assertEquals(ErrorCode.BAD_REQUEST, e.code());

        e = refused(new FakeServer(4, (type, body, s) -> s.send('R', 7)));
        assertTrue(e.getMessage().contains("kind 7"), e.getMessage());

        e = refused(new FakeServer(4, (type, body, s) -> s.raw("HTTP/1.1 400".getBytes()).end()));
        assertEquals(ErrorCode.CORRUPTION, e.code());

        e = refused(new FakeServer(4, (type, body, s) -> s.ready()));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    @Test
    void runsCommands() {
        FakeServer server =
                server(
                        "15.8 (Debian)",
                        (command, s) -> {
                            switch (command) {
                                case "IDENTIFY_SYSTEM" ->
                                        s.rowDescription()
                                                .row("18446744073709551615", "3", "1/A0", null)
                                                .send('C', "IDENTIFY_SYSTEM");
                                case "SHOW wal_segment_size" ->
                                        s.rowDescription().row("16MB").send('C', "SHOW");
                                case "READ_REPLICATION_SLOT \"none\"" ->
                                        s.rowDescription().row(null, null, null);
                                case "READ_REPLICATION_SLOT \"fresh\"" ->
                                        s.rowDescription().row("physical", null, null);
                                case "READ_REPLICATION_SLOT \"used\"" ->
                                        s.rowDescription().row("physical", "2/10", "1");
                                case "CREATE_REPLICATION_SLOT \"used\" PHYSICAL (RESERVE_WAL)" ->
                                        s.error("ERROR", "42710", "exists");
                                case "CREATE_REPLICATION_SLOT \"new\" PHYSICAL" ->
                                        s.rowDescription().row("new", "0/0", null, null);
                                case "DROP_REPLICATION_SLOT \"used\" WAIT" ->
                                        s.send('C', "DROP_REPLICATION_SLOT");
                                default -> throw new AssertionError(command);
                            }
                            s.ready();
                        });
        ReplicationConnection c = open(server);
        assertEquals(new SystemIdentity(-1L, 3, 0x1_0000_00A0L), c.identifySystem());
        assertEquals(16 << 20, c.walSegmentSize());
        assertEquals(new ReplicationSlot.Absent(), c.readReplicationSlot("none"));
        assertEquals(new ReplicationSlot.Present(0, 0), c.readReplicationSlot("fresh"));
        assertEquals(new ReplicationSlot.Present(0x2_0000_0010L, 1), c.readReplicationSlot("used"));
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> c.createPhysicalReplicationSlot("used", true));
        assertTrue(ReplicationError.is(e, ReplicationError.SLOT_EXISTS));
        assertEquals(ErrorCode.CONFLICT, e.code());
        c.createPhysicalReplicationSlot("new", false);
        c.dropReplicationSlot("used", true);
        int sent = server.seen.size();
        for (String bad : List.of("", "A", "a-b", "a\"", "x".repeat(64))) {
            assertThrows(PageserverException.class, () -> c.readReplicationSlot(bad));
        }
        assertEquals(sent, server.seen.size());
    }

    @Test
    void speaksTheDialectOf14() {
        FakeServer server =
                server("14.19", (c, s) -> s.rowDescription().row("n", "0/0", null, null).ready());
        ReplicationConnection c = open(server);
        assertInstanceOf(ReplicationSlot.Unknown.class, c.readReplicationSlot("s"));
        c.createPhysicalReplicationSlot("s", true);
        assertEquals(List.of("CREATE_REPLICATION_SLOT \"s\" PHYSICAL RESERVE_WAL"), server.seen);
    }

    @Test
    void aDeadConnectionStaysDead() {
        ReplicationConnection c = open(server("15.1", (command, s) -> s.end()));
        PageserverException e = assertThrows(PageserverException.class, c::identifySystem);
        assertEquals(ErrorCode.IO, e.code());
        e = assertThrows(PageserverException.class, c::identifySystem);
        assertTrue(e.getMessage().contains("unusable"), e.getMessage());
    }

    private static final class Recorder implements BaseBackupVisitor {
        final List<String> events = new ArrayList<>();

        @Override
        public void begin(
                long startLsn, int timelineId, List<Tablespace> tablespaces, long expectedBytes) {
            events.add(startLsn + " " + timelineId + " " + tablespaces + " " + expectedBytes);
        }

        @Override
        public void archive(int oid) {
            events.add("archive " + oid);
        }

        @Override
        public void bytes(byte[] bytes, int offset, int length) {
            events.add(new String(bytes, offset, length, StandardCharsets.UTF_8));
        }

        @Override
        public void archiveEnd() {
            events.add("end");
        }
    }

    private static FakeServer positions(FakeServer s) {
        return s.rowDescription()
                .row("0/28", "1")
                .send('C', "SELECT")
                .rowDescription()
                .row("16400", "/ts", "3")
                .row(null, null, null)
                .send('C', "SELECT");
    }

    @ParameterizedTest
    @ValueSource(strings = {"14.5", "18.1"})
    void bothDialectsGiveTheSameBackup(String version) {
        byte[] copy = {0, 0, 0};
        FakeServer server =
                server(
                        version,
                        (command, s) -> {
                            positions(s).send('H', copy);
                            if (version.startsWith("14")) {
                                s.send('d', "ab".getBytes()).send('c').send('H', copy);
                                s.send('d', "cd".getBytes()).send('d', "e".getBytes()).send('c');
                            } else {
                                s.send('d', (byte) 'n', "16400.tar", "/ts");
                                s.send('d', (byte) 'd', "ab".getBytes());
                                s.send('d', (byte) 'p', 7L);
                                s.send('d', (byte) 'n', "base.tar", "");
                                s.send('d', (byte) 'd', "cd".getBytes());
                                s.send('d', (byte) 'd', "e".getBytes());
                                s.send('c');
                            }
                            s.rowDescription().row("0/1000028", "1").send('C', "SELECT");
                            s.send('C', "BASE_BACKUP").ready();
                        });
        Recorder recorder = new Recorder();
        BaseBackupRange range =
                open(server).baseBackup(new BaseBackupOptions("it's mine").withSizes(), recorder);
        assertEquals(new BaseBackupRange(0x28, 1, 0x1000028, 1), range);
        assertEquals(
                List.of(
                        "40 1 [Tablespace[oid=16400, path=/ts]] 3072",
                        "archive 16400",
                        "ab",
                        "end",
                        "archive 0",
                        "cd",
                        "e",
                        "end"),
                recorder.events);
        assertEquals(
                version.startsWith("14")
                        ? "BASE_BACKUP LABEL 'it''s mine' PROGRESS FAST NOWAIT TABLESPACE_MAP"
                        : "BASE_BACKUP (LABEL 'it''s mine', CHECKPOINT 'fast', PROGRESS, WAIT 0,"
                                + " TABLESPACE_MAP)",
                server.seen.getFirst());
    }

    @Test
    void aBackupWithAMissingArchiveIsRefused() {
        FakeServer server =
                server(
                        "16.1",
                        (command, s) ->
                                positions(s)
                                        .send('H', new byte[3])
                                        .send('d', (byte) 'n', "base.tar", "")
                                        .send('c'));
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> open(server).baseBackup(new BaseBackupOptions("x"), new Recorder()));
        assertTrue(e.getMessage().contains("found 1 archives, expected 2"), e.getMessage());
        assertTrue(server.closed);
    }

    @Test
    void streams() {
        List<byte[]> statuses = new ArrayList<>();
        FakeServer server =
                new FakeServer(
                        8,
                        (type, body, s) -> {
                            switch (type) {
                                case 0 -> s.welcome("16.1");
                                case 'Q' ->
                                        s.send('W', new byte[3])
                                                .send(
                                                        'd',
                                                        (byte) 'w',
                                                        0x1008L,
                                                        0x5000L,
                                                        77L,
                                                        new byte[100_000])
                                                .send('d', (byte) 'k', 0x6000L, 78L, (byte) 1);
                                case 'd' -> statuses.add(body);
                                case 'c' ->
                                        s.send('d', (byte) 'k', 0x6000L, 79L, (byte) 0)
                                                .send('c')
                                                .send('C', "START_STREAMING")
                                                .send('C', "START_REPLICATION")
                                                .ready();
                                default -> throw new AssertionError(type);
                            }
                        });
        ReplicationConnection c = open(server);
        ReplicationStream stream = c.startReplication("s", 0x1008, 1);
        assertEquals(
                List.of("START_REPLICATION SLOT \"s\" PHYSICAL 0/1008 TIMELINE 1"), server.seen);
        assertEquals(Event.WAL, stream.receive(SECOND));
        assertEquals(0x1008, stream.walStart());
        assertEquals(0x5000, stream.serverEnd());
        assertEquals(77, stream.serverTimeMicros());
        assertEquals(100_000, stream.length());
        assertEquals(Event.KEEPALIVE, stream.receive(SECOND));
        assertEquals(0x6000, stream.serverEnd());
        assertTrue(stream.replyRequested());
        assertEquals(Event.NOTHING, stream.receive(SECOND));
        stream.sendStatus(3, 2, 1, 946_684_800_005L, true);
        byte[] status = statuses.getFirst();
        assertEquals(34, status.length);
        assertEquals('r', status[0]);
        assertEquals(3, Bytes.i64BE(status, 1));
        assertEquals(2, Bytes.i64BE(status, 9));
        assertEquals(1, Bytes.i64BE(status, 17));
        assertEquals(5000, Bytes.i64BE(status, 25));
        assertEquals(1, status[33]);
        assertEquals(Event.STOPPED, stream.stop());
        assertThrows(Check.Failed.class, () -> stream.receive(SECOND));
        assertFalse(server.closed);
    }

    @Test
    void tellsOfTheNextTimeline() {
        FakeServer server =
                server(
                        "16.1",
                        (command, s) -> {
                            if (command.endsWith("TIMELINE 1")) {
                                s.send('W', new byte[3]).send('c');
                            } else if (command.equals("c")) {
                                s.rowDescription()
                                        .row("2", "0/3000")
                                        .send('C', "START_STREAMING")
                                        .send('C', "START_REPLICATION")
                                        .ready();
                            } else {
                                s.rowDescription()
                                        .row("3", "0/4000")
                                        .send('C', "START_STREAMING")
                                        .send('C', "START_REPLICATION")
                                        .ready();
                            }
                        });
        ReplicationConnection c = open(server);
        ReplicationStream stream = c.startReplication(null, 0x2000, 1);
        assertEquals(Event.END_OF_TIMELINE, stream.receive(SECOND));
        assertEquals(2, stream.nextTimelineId());
        assertEquals(0x3000, stream.nextTimelineStart());
        ReplicationStream second = c.startReplication(null, 0x4000, 2);
        assertEquals(Event.END_OF_TIMELINE, second.receive(SECOND));
        assertEquals(3, second.nextTimelineId());
        assertEquals(0x4000, second.nextTimelineStart());
    }

    @Test
    void tellsThatTheWalIsGoneAndStaysUsable() {
        FakeServer server =
                server(
                        "16.1",
                        (command, s) -> {
                            if (command.startsWith("START")) {
                                s.send('W', new byte[3]).error("ERROR", "58P01", "removed").ready();
                            } else {
                                s.rowDescription().row("64MB").send('C', "SHOW").ready();
                            }
                        });
        ReplicationConnection c = open(server);
        ReplicationStream stream = c.startReplication(null, 8, 0);
        PageserverException e =
                assertThrows(PageserverException.class, () -> stream.receive(SECOND));
        assertEquals(ErrorCode.SOURCE_BROKEN, e.code());
        assertTrue(ReplicationError.is(e, ReplicationError.WAL_REMOVED));
        assertEquals(64 << 20, c.walSegmentSize());
    }

    @Test
    void tellsThatTheServerCloses() {
        FakeServer server =
                server("16.1", (c, s) -> s.send('W', new byte[3]).send('C', "COPY 0").end());
        ReplicationStream stream = open(server).startReplication(null, 8, 0);
        assertEquals(Event.SERVER_CLOSING, stream.receive(SECOND));
        assertTrue(server.closed);
    }

    /** Whatever a server sends after any prefix of good manners: an answer or an error. */
    @Property(tries = 1000)
    void garbageIsAnExplicitError(
            @ForAll @IntRange(max = 3) int manners,
            @ForAll @Size(max = 60) List<Byte> garbage,
            @ForAll @IntRange(max = 7) int header,
            @ForAll long seed) {
        byte[] bytes = new byte[garbage.size()];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = garbage.get(i);
        }
        char type = "RDTdEWZc".charAt(header);
        FakeServer server =
                new FakeServer(
                        seed,
                        (t, body, s) -> {
                            if (t == 0 && manners > 0) {
                                s.welcome("15.2");
                            } else if (t == 'Q' && manners == 2) {
                                s.send('W', new byte[3]).send(type, bytes).raw(bytes).end();
                            } else {
                                s.send(type, bytes).raw(bytes).end();
                            }
                        });
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> {
                            ReplicationConnection c = open(server);
                            if (manners == 1) {
                                c.identifySystem();
                            } else if (manners == 2) {
                                ReplicationStream stream = c.startReplication(null, 8, 1);
                                while (stream.receive(SECOND) != Event.SERVER_CLOSING) {}
                            } else {
                                c.baseBackup(new BaseBackupOptions("x"), new Recorder());
                            }
                        });
        assertFalse(e.getMessage().isEmpty());
    }

    @Test
    void lengthsAreBounded() {
        PageserverException e =
                refused(
                        new FakeServer(
                                1,
                                (type, body, s) ->
                                        s.raw(new byte[] {'R', 0x7F, 0, 0, 0, 0, 0, 0, 0}).end()));
        assertEquals(ErrorCode.CORRUPTION, e.code());
        assertTrue(e.getMessage().contains("length 2130706432"), e.getMessage());
    }
}
