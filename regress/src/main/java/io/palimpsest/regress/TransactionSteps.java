package io.palimpsest.regress;

import java.sql.SQLException;
import java.util.List;

/** Subtransactions, two-phase commit, row locks and multixacts. */
final class TransactionSteps {
    private TransactionSteps() {}

    static List<Step> all() {
        return List.of(
                new Step(
                        "savepoints",
                        s -> {
                            s.begin();
                            for (int i = 0; i < 150; i++) {
                                s.run("SAVEPOINT p");
                                s.run("INSERT INTO nested (v) VALUES ('savepoint " + i + "')");
                                if (s.random(3) == 0) {
                                    s.run("ROLLBACK TO p");
                                }
                            }
                            if (s.random(3) == 0) {
                                s.rollback();
                            } else {
                                s.commit();
                            }
                        }),
                new Step(
                        "many subtransactions",
                        s ->
                                s.run(
                                        """
                                        DO $$ BEGIN
                                          FOR i IN 1..1500 LOOP
                                            BEGIN
                                              INSERT INTO nested (v) VALUES (i::text);
                                              IF i % 5 = 0 THEN RAISE EXCEPTION 'undo'; END IF;
                                            EXCEPTION WHEN raise_exception THEN NULL;
                                            END;
                                          END LOOP;
                                        END $$\
                                        """)),
                new Step(
                        "prepared transactions",
                        s -> {
                            String suffix = Integer.toHexString(s.random(1 << 30));
                            prepare(s, "commit" + suffix);
                            prepare(s, "rollback" + suffix);
                            s.run("COMMIT PREPARED 'commit" + suffix + "'");
                            s.run("ROLLBACK PREPARED 'rollback" + suffix + "'");
                            s.begin();
                            s.run("DROP TABLE IF EXISTS prepared_table");
                            s.run(
                                    "CREATE TABLE prepared_table AS SELECT i FROM generate_series(1, 500) i");
                            s.run("PREPARE TRANSACTION 'table" + suffix + "'");
                            s.run(
                                    (s.random(2) == 0 ? "COMMIT" : "ROLLBACK")
                                            + " PREPARED 'table"
                                            + suffix
                                            + "'");
                        }),
                new Step(
                        "row locks",
                        s -> {
                            for (String strength :
                                    List.of("UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE")) {
                                s.begin();
                                s.run(
                                        "SELECT count(*) FROM (SELECT 1 FROM locked WHERE id % 9 = "
                                                + s.random(9)
                                                + " FOR "
                                                + strength
                                                + ") l");
                                if (s.random(2) == 0) {
                                    s.run("UPDATE locked SET v = v + 1 WHERE id % 9 = 3");
                                }
                                s.commit();
                            }
                        }),
                new Step("multixacts", TransactionSteps::multixacts),
                new Step(
                        "multixact of an update",
                        s -> {
                            try (Session other = s.another()) {
                                s.begin();
                                s.run(
                                        "SELECT count(*) FROM (SELECT 1 FROM locked WHERE id <= 300 FOR KEY SHARE) l");
                                other.begin();
                                other.run("UPDATE locked SET v = v + 1 WHERE id <= 300");
                                if (s.random(2) == 0) {
                                    other.rollback();
                                } else {
                                    other.commit();
                                }
                                s.commit();
                            }
                            s.run("VACUUM (FREEZE) locked");
                        }),
                new Step(
                        "one commit, many drops",
                        s -> {
                            s.begin();
                            for (int i = 0; i < 20; i++) {
                                s.run("CREATE TABLE doomed_" + i + " (v int)");
                                s.run("INSERT INTO doomed_" + i + " VALUES (1)");
                            }
                            s.commit();
                            s.begin();
                            for (int i = 0; i < 20; i++) {
                                s.run("DROP TABLE doomed_" + i);
                            }
                            s.commit();
                        }));
    }

    private static void prepare(Session s, String name) throws SQLException {
        s.begin();
        s.run("INSERT INTO prepared (v) SELECT '" + name + "' FROM generate_series(1, 200)");
        s.run("SAVEPOINT inner_one");
        s.run("UPDATE prepared SET v = v || '+' WHERE id % 10 = 0 AND v = '" + name + "'");
        s.run("PREPARE TRANSACTION '" + name + "'");
    }

    /**
     * Two lockers a row. The server gives equal sets of lockers one multixact, so the second locks
     * each row in a subtransaction of its own: several pages of offsets and members over time.
     */
    private static void multixacts(Session first) throws SQLException {
        try (Session second = first.another();
                Session third = first.another()) {
            int from = first.random(1000);
            first.begin();
            first.run(
                    "SELECT count(*) FROM (SELECT 1 FROM locked WHERE id > "
                            + from
                            + " AND id <= "
                            + (from + 1000)
                            + " FOR SHARE) l");
            second.begin();
            second.run(
                    """
                    DO $$ BEGIN
                      FOR i IN 1..1000 LOOP
                        BEGIN
                          PERFORM 1 FROM locked WHERE id = %d + i FOR KEY SHARE;
                        EXCEPTION WHEN raise_exception THEN NULL;
                        END;
                      END LOOP;
                    END $$\
                    """
                            .formatted(from));
            third.begin();
            third.run(
                    "SELECT count(*) FROM (SELECT 1 FROM locked WHERE id = "
                            + (from + 5)
                            + " FOR SHARE) l");
            third.rollback();
            second.commit();
            first.commit();
        }
    }

    /** Left open over a moment; {@link #finish} ends it in the next round. */
    static void leaveOpen(Session s, int round) throws SQLException {
        prepare(s, "open" + round);
    }

    static void finish(Session s, int round) throws SQLException {
        s.run((s.random(2) == 0 ? "COMMIT" : "ROLLBACK") + " PREPARED 'open" + round + "'");
    }
}
