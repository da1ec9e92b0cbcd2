package io.palimpsest.regress;

import io.palimpsest.base.Prng;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.function.UnaryOperator;
import org.postgresql.PGConnection;

/** One connection of the workload: SQL text in, with the step's own randomness at hand. */
final class Session implements AutoCloseable {
    private final Connection connection;
    private final UnaryOperator<String> jdbcUrl;
    private final Prng prng;
    private final int major;

    private Session(Connection connection, UnaryOperator<String> jdbcUrl, Prng prng, int major) {
        this.connection = connection;
        this.jdbcUrl = jdbcUrl;
        this.prng = prng;
        this.major = major;
    }

    /** Connects to {@code database}; {@code jdbcUrl} makes a URL of a database's name. */
    static Session open(UnaryOperator<String> jdbcUrl, String database, Prng prng, int major)
            throws SQLException {
        Connection connection = DriverManager.getConnection(jdbcUrl.apply(database));
        Session session = new Session(connection, jdbcUrl, prng, major);
        session.run("SET lock_timeout = '60s'");
        return session;
    }

    /** Another connection to the same server. */
    Session another(String database) throws SQLException {
        return open(jdbcUrl, database, prng, major);
    }

    Session another() throws SQLException {
        return another(Workload.DATABASE);
    }

    int random(int bound) {
        return prng.nextInt(bound);
    }

    int major() {
        return major;
    }

    /** Makes the server's random() repeat with our seed. */
    void seed() throws SQLException {
        run("SELECT setseed(%s)".formatted(prng.nextDouble()));
    }

    /** Runs one or several statements outside of any prepared form; results are thrown away. */
    void run(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    /** Runs it and drops the error it is expected to raise. */
    void runFailing(String sql) throws SQLException {
        try {
            run(sql);
        } catch (SQLException expected) {
            return;
        }
        throw new SQLException("expected to fail: " + sql);
    }

    /** First column of the first row. */
    String ask(String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            if (!rows.next()) {
                throw new SQLException("no row: " + sql);
            }
            return rows.getString(1);
        }
    }

    void copyIn(String sql, String rows) throws SQLException {
        try {
            connection.unwrap(PGConnection.class).getCopyAPI().copyIn(sql, new StringReader(rows));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void begin() throws SQLException {
        run("BEGIN");
    }

    void commit() throws SQLException {
        run("COMMIT");
    }

    void rollback() throws SQLException {
        run("ROLLBACK");
    }

    @Override
    public void close() throws SQLException {
        connection.close();
    }
}
