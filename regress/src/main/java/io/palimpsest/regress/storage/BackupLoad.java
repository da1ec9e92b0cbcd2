package io.palimpsest.regress.storage;

import io.palimpsest.base.Lsn;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.pg.RelTag;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Locale;

/** A table that is filled, and then a tenth of its rows changed: data of one kind. */
final class BackupLoad {
    /** How well the data can be compressed. */
    enum Data {
        /** Rows as pgbench has them: numbers and blanks. */
        COMPRESSIBLE,
        /** Nothing but random bytes. */
        RANDOM;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }

        private String filler() {
            return this == COMPRESSIBLE ? "repeat(' ', 968)" : "gen_random_bytes(968)";
        }

        private String type() {
            return this == COMPRESSIBLE ? "char(968)" : "bytea";
        }
    }

    private static final int ROWS_PER_MIB = 1024;
    private static final int BATCH_MIB = 16;

    private final EmbeddedPostgres postgres;
    private final Data data;
    private final int mib;

    BackupLoad(EmbeddedPostgres postgres, Data data, int mib) {
        this.postgres = postgres;
        this.data = data;
        this.mib = mib;
    }

    void prepare() {
        run("CREATE EXTENSION pgcrypto");
        run("CREATE TABLE t (id int PRIMARY KEY, n int, filler " + data.type() + ")");
        // Neither side is to see what PostgreSQL compresses by itself.
        run("ALTER TABLE t ALTER filler SET STORAGE PLAIN");
    }

    /** Fills the table, then changes a tenth of it, all over. */
    void run() {
        for (int done = 0; done < mib; done += BATCH_MIB) {
            int first = done * ROWS_PER_MIB;
            int last = Math.min(mib, done + BATCH_MIB) * ROWS_PER_MIB - 1;
            run(
                    "INSERT INTO t SELECT i, (i::bigint * 7919) %% 100003, %s FROM generate_series(%d, %d) i"
                            .formatted(data.filler(), first, last));
        }
        change();
    }

    /** Changes a tenth of the rows, all over. */
    void change() {
        run("UPDATE t SET n = n + 1 WHERE id % 10 = 0");
    }

    /** Closes the segment that is written, and waits until the archive has it. */
    long endOfArchive() throws InterruptedException {
        long end = Lsn.parse(ask("SELECT pg_current_wal_insert_lsn()")).value();
        String segment = ask("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
        String _ = ask("SELECT pg_switch_wal()");
        long deadline = System.nanoTime() + 600_000_000_000L;
        while (ask("SELECT coalesce(last_archived_wal >= '"
                        + segment
                        + "', false) FROM pg_stat_archiver")
                .equals("f")) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("the archive does not get " + segment);
            }
            Thread.sleep(50);
        }
        return end;
    }

    RelTag table() {
        return table(postgres, "t");
    }

    static RelTag table(EmbeddedPostgres postgres, String name) {
        String[] ids =
                ask(
                                postgres,
                                "SELECT d.oid || ' ' || pg_relation_filenode('"
                                        + name
                                        + "') FROM pg_database d WHERE datname = current_database()")
                        .split(" ");
        return new RelTag(
                RelTag.DEFAULT_TABLESPACE,
                Integer.parseInt(ids[0]),
                Integer.parseInt(ids[1]),
                RelTag.MAIN);
    }

    int blocks() {
        return Integer.parseInt(ask("SELECT pg_relation_size('t') / 8192"));
    }

    private void run(String statement) {
        run(postgres, statement);
    }

    static void run(EmbeddedPostgres postgres, String... statements) {
        try (Connection connection = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                Statement sql = connection.createStatement()) {
            for (String statement : statements) {
                sql.execute(statement);
            }
        } catch (SQLException e) {
            throw new IllegalStateException(
                    String.join("; ", statements) + ": " + e.getMessage(), e);
        }
    }

    private String ask(String query) {
        return ask(postgres, query);
    }

    static String ask(EmbeddedPostgres postgres, String query) {
        try (Connection connection = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                Statement sql = connection.createStatement();
                ResultSet row = sql.executeQuery(query)) {
            if (!row.next()) {
                throw new IllegalStateException("no row: " + query);
            }
            return String.valueOf(row.getString(1));
        } catch (SQLException e) {
            throw new IllegalStateException(query + ": " + e.getMessage(), e);
        }
    }
}
