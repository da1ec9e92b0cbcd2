package io.palimpsest.regress;

import io.palimpsest.pg.RelTag;
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
import org.jspecify.annotations.Nullable;

/** Which file is which relation, in all databases, as the catalogs say at one moment. */
final class Catalog {
    /**
     * @param name database, schema and relation
     * @param label the line of the report it belongs to
     * @param kind how its main and init forks are read
     * @param unlogged only its init fork is in the WAL
     */
    record Relation(String name, String label, PageKind kind, boolean unlogged) {}

    private record File(int spc, int db, int rel) implements Comparable<File> {
        @Override
        public int compareTo(File o) {
            int c = Integer.compareUnsigned(spc, o.spc);
            c = c != 0 ? c : Integer.compareUnsigned(db, o.db);
            return c != 0 ? c : Integer.compareUnsigned(rel, o.rel);
        }
    }

    private static final String RELATIONS =
            """
            SELECT pg_relation_filenode(c.oid)::oid::bigint, n.nspname, c.relname, c.relkind,
                   c.relpersistence, c.relisshared, coalesce(a.amname, ''),
                   coalesce(nullif(c.reltablespace, 0), d.dattablespace)::bigint, d.oid::bigint
              FROM pg_class c
              JOIN pg_namespace n ON n.oid = c.relnamespace
              JOIN pg_database d ON d.datname = current_database()
              LEFT JOIN pg_am a ON a.oid = c.relam
             WHERE pg_relation_filenode(c.oid) IS NOT NULL\
            """;

    private final Map<File, Relation> relations = new TreeMap<>();

    private Catalog() {}

    /**
     * Reads the catalogs of all databases that let one in.
     *
     * @param jdbcUrl a database's URL by its name
     */
    static Catalog read(UnaryOperator<String> jdbcUrl) throws SQLException {
        Catalog catalog = new Catalog();
        for (String database : databases(jdbcUrl)) {
            catalog.readDatabase(jdbcUrl.apply(database), database);
        }
        return catalog;
    }

    /** Those that let one in. */
    static List<String> databases(UnaryOperator<String> jdbcUrl) throws SQLException {
        List<String> names = new ArrayList<>();
        try (Connection connection = DriverManager.getConnection(jdbcUrl.apply("postgres"));
                Statement statement = connection.createStatement();
                ResultSet rows =
                        statement.executeQuery(
                                "SELECT datname FROM pg_database WHERE datallowconn ORDER BY oid")) {
            while (rows.next()) {
                names.add(rows.getString(1));
            }
        }
        return names;
    }

    private void readDatabase(String url, String database) throws SQLException {
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(RELATIONS)) {
            while (row.next()) {
                boolean shared = row.getBoolean(6);
                File file =
                        new File(
                                shared ? RelTag.GLOBAL_TABLESPACE : (int) row.getLong(8),
                                shared ? 0 : (int) row.getLong(9),
                                (int) row.getLong(1));
                String schema = row.getString(2);
                String relkind = row.getString(4);
                String method = row.getString(7);
                relations.put(
                        file,
                        new Relation(
                                database + "." + schema + "." + row.getString(3),
                                label(schema, relkind, method),
                                relkind.equals("S")
                                        ? PageKind.SEQUENCE
                                        : PageKind.ofAccessMethod(method),
                                row.getString(5).equals("u")));
            }
        }
    }

    private static String label(String schema, String relkind, String method) {
        String base =
                switch (relkind) {
                    case "S" -> "sequence";
                    case "t" -> "toast";
                    case "m" -> "matview";
                    default -> method;
                };
        return schema.equals("pg_catalog") ? "catalog " + base : base;
    }

    /** Null for a file no catalog names. */
    @Nullable Relation find(RelTag tag) {
        return relations.get(new File(tag.spc(), tag.db(), tag.rel()));
    }

    int size() {
        return relations.size();
    }
}
