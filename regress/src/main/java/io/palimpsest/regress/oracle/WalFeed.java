package io.palimpsest.regress.oracle;

import io.palimpsest.base.Lsn;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.protocol.ReplicationConnection;
import io.palimpsest.protocol.ReplicationSettings;
import io.palimpsest.protocol.ReplicationStream;
import io.palimpsest.redo.RedoCheck;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SocketNet;
import io.palimpsest.server.runtime.SystemClock;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.TimeUnit;

/**
 * A server's WAL by streaming replication from a slot, record by record into a check. It starts at
 * the redo position of a checkpoint made here, so that every page's first change brings an image.
 */
final class WalFeed implements AutoCloseable {
    private static final String SLOT = "oracle";
    private static final long WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(200);
    private static final long STATUS_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final RedoCheck check;
    private final ReplicationConnection connection;
    private final ReplicationStream stream;
    private final WalDecoder decoder;
    private final WalRecord record = new WalRecord();
    private long lastStatus = System.nanoTime();
    private volatile long lag;

    WalFeed(EmbeddedPostgres postgres, RedoCheck check) throws SQLException {
        this.check = check;
        this.connection =
                ReplicationConnection.open(
                        new SocketNet(),
                        new SystemClock(),
                        new SecureIds(),
                        new ReplicationSettings(
                                "127.0.0.1",
                                postgres.port(),
                                EmbeddedPostgres.USER,
                                postgres.password()));
        // Reserving first: the checkpoint then keeps the WAL from its own start on.
        connection.createPhysicalReplicationSlot(SLOT, true);
        long start = checkpoint(postgres);
        this.decoder =
                new WalDecoder(
                        PgVersion.ofMajor(postgres.major()),
                        start,
                        connection.walSegmentSize(),
                        0,
                        1 << 30);
        this.stream = connection.startReplication(SLOT, start, 0);
    }

    private static long checkpoint(EmbeddedPostgres postgres) throws SQLException {
        try (Connection c = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                Statement s = c.createStatement()) {
            s.execute("checkpoint");
            try (ResultSet r = s.executeQuery("select redo_lsn from pg_control_checkpoint()")) {
                r.next();
                return Lsn.parse(r.getString(1)).value();
            }
        }
    }

    /**
     * Takes what comes next, or returns after a while if nothing does.
     *
     * @return false when the server has shut down and all is read
     */
    boolean next() {
        switch (stream.receive(WAIT_NANOS)) {
            case WAL -> {
                if (stream.walStart() != decoder.position()) {
                    throw new IllegalStateException(
                            "WAL at "
                                    + Lsn.toString(stream.walStart())
                                    + ", expected at "
                                    + Lsn.toString(decoder.position()));
                }
                decoder.feed(stream.array(), stream.offset(), stream.length());
                while (decoder.next(record)) {
                    check.record(record);
                }
                lag = stream.serverEnd() - decoder.position();
                if (System.nanoTime() - lastStatus > STATUS_NANOS) {
                    status();
                }
            }
            case KEEPALIVE -> {
                lag = stream.serverEnd() - decoder.position();
                status();
            }
            case NOTHING -> status();
            case END_OF_TIMELINE, STOPPED, SERVER_CLOSING -> {
                return false;
            }
        }
        return true;
    }

    private void status() {
        lastStatus = System.nanoTime();
        long at = decoder.position();
        stream.sendStatus(at, at, at, System.currentTimeMillis(), false);
    }

    /** Bytes of WAL the server has that were not read yet, as of its last message. */
    long lag() {
        return lag;
    }

    @Override
    public void close() {
        connection.close();
    }
}
