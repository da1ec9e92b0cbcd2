package io.palimpsest.regress;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/**
 * What SQL sees of a cluster at a moment: rows and a sum over their text for each table of each
 * database. An unlogged table counts as empty, which is what it is in a copy.
 */
record TableSums(Map<String, String> sums) {
    private static final String TABLES =
            """
            SELECT c.oid::regclass::text, c.relpersistence FROM pg_class c
              JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
               AND n.nspname NOT IN ('pg_catalog', 'information_schema')
               AND (c.relkind <> 'm' OR c.relispopulated)\
            """;
    private static final String NOTHING = "0 rows, 0";

    /**
     * @param jdbcUrl a database's URL by its name
     */
    static TableSums read(UnaryOperator<String> jdbcUrl) throws SQLException {
        Map<String, String> sums = new TreeMap<>();
        for (String database : Catalog.databases(jdbcUrl)) {
            try (Connection connection = DriverManager.getConnection(jdbcUrl.apply(database));
                    Statement statement = connection.createStatement()) {
                statement.execute("SET search_path = ''");
                statement.execute("SET row_security = off");
                for (String[] table : tables(statement)) {
                    String sum = table[1].equals("u") ? NOTHING : sum(statement, table[0]);
                    sums.put(database + ": " + table[0], sum);
                }
            }
        }
        return new TableSums(sums);
    }

    private static List<String[]> tables(Statement statement) throws SQLException {
        List<String[]> tables = new ArrayList<>();
        try (ResultSet rows = statement.executeQuery(TABLES)) {
            while (rows.next()) {
                tables.add(new String[] {rows.getString(1), rows.getString(2)});
            }
        }
        return tables;
    }

    private static String sum(Statement statement, String table) throws SQLException {
        try (ResultSet row =
                statement.executeQuery(
                        "SELECT count(*) || ' rows, ' || coalesce(sum(pg_catalog.hashtextextended(t::text, 0)), 0) FROM "
                                + table
                                + " t")) {
            return row.next() ? row.getString(1) : "";
        }
    }

    /** Names of tables whose sums differ, or that only one has. */
    List<String> differences(TableSums other) {
        TreeMap<String, String> all = new TreeMap<>(sums);
        all.putAll(other.sums);
        return all.keySet().stream()
                .filter(name ->
                        !sums.getOrDefault(name, "absent")
                                .equals(other.sums.getOrDefault(name, "absent")))
                .map(name ->
                        name
                                + ": expected "
                                + sums.getOrDefault(name, "absent")
                                + ", found "
                                + other.sums.getOrDefault(name, "absent"))
                .toList();
    }
}
