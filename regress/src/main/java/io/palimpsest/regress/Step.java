package io.palimpsest.regress;

import java.sql.SQLException;

/** One named piece of the workload. It may be repeated, and after any other. */
record Step(String name, Action action) {
    @FunctionalInterface
    interface Action {
        void run(Session session) throws SQLException;
    }
}
