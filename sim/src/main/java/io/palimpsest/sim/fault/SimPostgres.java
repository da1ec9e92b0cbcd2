package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.port.Net;
import io.palimpsest.port.Tasks;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The replication side of a PostgreSQL server: identity, one physical slot, a base backup, the WAL
 * stream. Sends WAL in pieces of any size, asks for answers at odd moments, keeps WAL for the slot
 * exactly as long as it must, and lets one connection at a time use it. No password is asked for.
 *
 * <p>A standby serves what it has got of another's WAL, which is put into its own by whoever runs
 * it, until it is promoted: then the WAL timeline that it was on ends for who streams it, with what
 * follows it, and a new one begins.
 */
public final class SimPostgres {
    /** What a base backup consists of. */
    public record Backup(long startLsn, long endLsn, Map<String, byte[]> files) {}

    public static final int PORT = 5432;
    public static final long SYSTEM_IDENTIFIER = 7_000_000_000_000_000_007L;
    public static final int SEGMENT_SIZE = 1 << 20;
    private static final long SECOND = 1_000_000_000L;
    private static final long PATIENCE = 60 * SECOND;
    private static final int MAX_SEND = 128 * 1024;

    private final Machine machine;
    private final PgVersion version;
    private final SimWalSource wal;
    private final Supplier<Backup> backup;
    private final Prng random;
    private boolean hasSlot;
    private boolean slotInUse;
    private boolean stopping;
    private boolean standby;
    private WalHistory history;

    /**
     * @param backup takes a base backup
     */
    public SimPostgres(
            Machine machine, PgVersion version, SimWalSource wal, Supplier<Backup> backup) {
        this(machine, version, wal, backup, WalHistory.on(1), false);
    }

    private SimPostgres(
            Machine machine,
            PgVersion version,
            SimWalSource wal,
            Supplier<Backup> backup,
            WalHistory history,
            boolean standby) {
        this.machine = machine;
        this.version = version;
        this.wal = wal;
        this.backup = backup;
        this.history = history;
        this.standby = standby;
        random = machine.node().simulation().random("postgres");
    }

    /** A standby of this one on another machine, which has that of its WAL. */
    public SimPostgres standby(Machine on, SimWalSource received) {
        return new SimPostgres(on, version, received, backup, history, true);
    }

    /**
     * Goes on by itself from the end of a record that it has; what it has beyond is lost.
     *
     * @return the history of what is written from now on
     */
    public WalHistory promote(int nextTimeline, long lsn) {
        Check.that(standby, "it is a primary");
        wal.cutTo(lsn);
        history = history.promoted(nextTimeline, lsn);
        standby = false;
        return history;
    }

    /** On which timelines its WAL is, and was. */
    public WalHistory history() {
        return history;
    }

    /** Serves until {@link #stop}. */
    public void serve() {
        Tasks tasks = machine.tasks();
        try (SimNet.Listener listener = machine.network().listen(machine.node(), PORT)) {
            while (!stopping) {
                Net.Connection c = listener.accept(SECOND / 10);
                if (c != null) {
                    tasks.spawn(Tasks.Lane.LATENCY, "walsender", () -> session(c));
                }
            }
        }
    }

    public void stop() {
        stopping = true;
    }

    /** Somebody is about to start it again. */
    public void restart() {
        stopping = false;
    }

    /**
     * Somebody drops the slot, which ends the connection that uses it. WAL is kept all the same.
     */
    public void loseSlot() {
        hasSlot = false;
    }

    /** Does it keep WAL for somebody? */
    public boolean hasSlot() {
        return hasSlot;
    }

    /** Somebody creates the slot again. */
    public void createSlot() {
        hasSlot = true;
    }

    private void session(Net.Connection connection) {
        try (ServerWire wire = new ServerWire(connection, machine.clock())) {
            if (wire.receive(10 * SECOND) != ServerWire.STARTUP) {
                return;
            }
            wire.begin('R').i32(0).end();
            wire.begin('S').text("server_version").text(version.major() + ".1").end();
            if (standby) {
                wire.begin('S').text("in_hot_standby").text("on").end();
            }
            wire.begin('K').i32(1).i32(2).end();
            ready(wire);
            while (!stopping) {
                int type = wire.receive(SECOND);
                if (type == 'Q') {
                    command(wire, wire.string());
                } else if (type != ServerWire.NOTHING) {
                    return;
                }
            }
        } catch (PageserverException e) {
            // The client is gone, or the network is: it will be back.
            machine.note("walsender-ended", String.valueOf(e.getMessage()));
        }
    }

    private static void ready(ServerWire wire) {
        wire.begin('Z').u8('I').end();
        wire.flush();
    }

    private void command(ServerWire wire, String command) {
        String[] words = command.split("[ (]", 3);
        machine.note("replication-command", command);
        switch (words[0]) {
            case "IDENTIFY_SYSTEM" ->
                    rows(
                            wire,
                            Long.toUnsignedString(SYSTEM_IDENTIFIER),
                            Integer.toString(history.timelineId()),
                            Lsn.toString(wal.end()),
                            null);
            case "TIMELINE_HISTORY" -> {
                int asked = Integer.parseInt(words[1]);
                if (asked != history.timelineId() || asked == 1) {
                    error(wire, "58P01", "could not open file: No such file or directory");
                } else {
                    rows(wire, words[1] + ".history", history.text());
                }
            }
            case "SHOW" ->
                    rows(
                            wire,
                            words[1].equals("block_size") ? "8192" : (SEGMENT_SIZE >> 20) + "MB");
            case "READ_REPLICATION_SLOT" -> {
                if (hasSlot) {
                    rows(
                            wire,
                            "physical",
                            Lsn.toString(wal.keptFrom()),
                            Integer.toString(history.timelineId()));
                } else {
                    rows(wire, null, null, null);
                }
            }
            case "CREATE_REPLICATION_SLOT" -> {
                if (hasSlot) {
                    error(wire, "42710", "replication slot \"sim\" already exists");
                    return;
                }
                hasSlot = true;
                rows(wire, "sim", Lsn.toString(wal.keptFrom()), null, null);
            }
            case "DROP_REPLICATION_SLOT" -> {
                if (slotInUse) {
                    error(wire, "55006", "replication slot \"sim\" is active");
                    return;
                }
                hasSlot = false;
                complete(wire, words[0]);
                ready(wire);
            }
            case "BASE_BACKUP" -> baseBackup(wire);
            case "START_REPLICATION" -> startReplication(wire, command);
            default -> error(wire, "42601", "syntax error: " + command);
        }
    }

    private static void rows(ServerWire wire, @Nullable String... columns) {
        result(wire, columns);
        ready(wire);
    }

    private static void result(ServerWire wire, @Nullable String... columns) {
        wire.begin('T').u16(0).end();
        wire.begin('D').u16(columns.length);
        for (String c : columns) {
            if (c == null) {
                wire.i32(-1);
            } else {
                byte[] text = c.getBytes(StandardCharsets.UTF_8);
                wire.i32(text.length).bytes(text, 0, text.length);
            }
        }
        wire.end();
        complete(wire, "SELECT");
    }

    private static void complete(ServerWire wire, String tag) {
        wire.begin('C').text(tag).end();
    }

    private static void error(ServerWire wire, String sqlState, String message) {
        wire.begin('E');
        wire.u8('S').text("ERROR").u8('V').text("ERROR").u8('C').text(sqlState);
        wire.u8('M').text(message).u8(0).end();
        ready(wire);
    }

    /** One archive; before 15 its bytes alone, since then with a type before each piece. */
    private void baseBackup(ServerWire wire) {
        Backup b = backup.get();
        TarWriter tar = new TarWriter();
        b.files().forEach(tar::file);
        byte[] archive = tar.finish();
        result(wire, Lsn.toString(b.startLsn()), "1");
        result(wire, null, null, null);
        boolean typed = version.atLeast(PgVersion.V15);
        wire.begin('H').u8(0).u16(0).end();
        if (typed) {
            wire.begin('d').u8('n').text("base.tar").text("").end();
        }
        for (int at = 0; at < archive.length; ) {
            int n = Math.min(archive.length - at, 1 + random.nextInt(1 << 15));
            wire.begin('d');
            if (typed) {
                wire.u8('d');
            }
            wire.bytes(archive, at, n).end();
            wire.flush();
            at += n;
        }
        wire.begin('c').end();
        result(wire, Lsn.toString(b.endLsn()), "1");
        complete(wire, "BASE_BACKUP");
        ready(wire);
    }

    private void startReplication(ServerWire wire, String command) {
        List<String> words = List.of(command.split(" ", -1));
        long from = Lsn.parse(words.get(words.indexOf("PHYSICAL") + 1)).value();
        boolean slot = words.contains("SLOT");
        int named = words.indexOf("TIMELINE");
        int timeline = named < 0 ? history.timelineId() : Integer.parseInt(words.get(named + 1));
        boolean known = timeline == history.timelineId() || history.end(timeline) >= 0;
        long end = end(timeline);
        if (!known || from > end && timeline != history.timelineId()) {
            error(
                    wire,
                    "XX000",
                    "requested starting point "
                            + Lsn.toString(from)
                            + " on timeline "
                            + timeline
                            + " is not in this server's history");
        } else if (!slot && from >= wal.keptFrom() && from <= end) {
            stream(wire, from, false, timeline);
        } else if (!hasSlot) {
            error(wire, "42704", "replication slot \"sim\" does not exist");
        } else if (slotInUse) {
            error(wire, "55006", "replication slot \"sim\" is active");
        } else if (from < wal.keptFrom() || isOfNoFile(from, timeline)) {
            error(wire, "58P01", "requested WAL segment has already been removed");
        } else if (from > end) {
            error(wire, "XX000", "requested starting point is ahead of the WAL flush position");
        } else {
            slotInUse = true;
            try {
                stream(wire, from, true, timeline);
            } finally {
                slotInUse = false;
            }
        }
    }

    /** Up to where there is WAL of that timeline, of this history. */
    private long end(int timeline) {
        return timeline == history.timelineId() ? wal.end() : history.end(timeline);
    }

    /** A timeline's first segment has what was before it there, but no segment before has. */
    private boolean isOfNoFile(long from, int timeline) {
        return timeline == history.timelineId() && from < (history.begin() & -(long) SEGMENT_SIZE);
    }

    /**
     * @param slot does it keep WAL for who receives it? Else what others acknowledge is gone
     */
    private void stream(ServerWire wire, long from, boolean slot, int timeline) {
        if (timeline != history.timelineId() && from == end(timeline)) {
            next(wire, timeline);
            return;
        }
        wire.begin('W').u8(0).u16(0).end();
        wire.flush();
        byte[] piece = new byte[MAX_SEND];
        long sent = from;
        long heard = now();
        long nextKeepalive = now() + SECOND;
        while (!stopping && (hasSlot || !slot) && now() - heard < PATIENCE) {
            long end = end(timeline);
            if (!slot && sent < wal.keptFrom()) {
                error(wire, "58P01", "requested WAL segment has already been removed");
                return;
            }
            // What was sent may have been acknowledged by a connection before this one.
            sent = Math.max(sent, wal.keptFrom());
            if (timeline != history.timelineId() && sent >= end) {
                endOfTimeline(wire, timeline);
                return;
            }
            if (sent < end) {
                int most = 1 + random.nextInt(1 + random.nextInt(MAX_SEND));
                int n = wal.read(sent, piece, 0, (int) Math.min(most, end - sent));
                wire.begin('d').u8('w').i64(sent).i64(end).i64(0).bytes(piece, 0, n).end();
                sent += n;
            }
            if (now() >= nextKeepalive) {
                nextKeepalive = now() + 1 + random.nextLong(3 * SECOND);
                wire.begin('d').u8('k').i64(end).i64(0).u8(random.nextInt(2)).end();
            }
            wire.flush();
            int type = wire.receive(sent < end ? 0 : 1 + random.nextLong(SECOND / 20));
            if (type == 'd') {
                heard = now();
                status(wire);
            } else if (type != ServerWire.NOTHING) {
                return;
            }
        }
    }

    /** The timeline was left: nothing more comes of it, and the connection takes commands again. */
    private void endOfTimeline(ServerWire wire, int timeline) {
        wire.begin('c').end();
        wire.flush();
        long deadline = now() + PATIENCE;
        int type;
        do {
            type = wire.receive(SECOND);
            if (type == 'd') {
                status(wire);
            }
        } while (type == 'd' || type == ServerWire.NOTHING && now() < deadline);
        if (type == 'c') {
            next(wire, timeline);
        }
    }

    private void next(ServerWire wire, int timeline) {
        int after = history.timelineId();
        for (WalHistory.Ended e : history.past().reversed()) {
            if (e.timelineId() == timeline) {
                break;
            }
            after = e.timelineId();
        }
        machine.node().simulation().probe("wal-timeline-ended");
        result(wire, Integer.toString(after), Lsn.toString(history.end(timeline)));
        complete(wire, "START_STREAMING");
        ready(wire);
    }

    /** 'r', then u64 written, u64 flushed. */
    private void status(ServerWire wire) {
        if (wire.bodyByte(0) == 'r') {
            wal.acknowledge(wire.bodyLong(9));
        }
    }

    private long now() {
        return machine.clock().monotonicNanos();
    }
}
