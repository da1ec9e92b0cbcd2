package io.palimpsest.service;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.RelationMap;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.ReadView;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What the relations of a database are called at an LSN, as its pg_class and pg_namespace say.
 *
 * <p>Columns of pg_class: 0 oid, 4 relname, 68 relnamespace, 88 relfilenode, 92 reltablespace; then
 * sizes, one more of them from 18 on, and reltoastrelid, four flags of a byte each of which the
 * last is relkind. Of pg_namespace and pg_database: 0 oid, 4 name. None of them may be null.
 * Source: PostgreSQL's pg_class.h, pg_namespace.h, pg_database.h.
 */
final class Catalogue {
    private static final int PG_CLASS = 1259;
    private static final int PG_NAMESPACE = 2615;
    private static final int PG_DATABASE = 1262;

    /** Half a gibibyte: nobody should wait for more only to learn names. */
    private static final int MOST_BLOCKS = 1 << 16;

    /**
     * A relation.
     *
     * @param kind as relkind: r a table, m a materialized view, i an index, t a TOAST table, S a
     *     sequence
     * @param rel its relfilenumber
     */
    record Relation(int oid, String name, char kind, int spc, int rel) {}

    private final Map<Long, Relation> byFile = new HashMap<>();
    private final Map<Integer, Relation> byOid = new HashMap<>();

    private Catalogue() {}

    /** Null if the history has no catalogue of such a database there, or it is too large. */
    static @Nullable Catalogue of(Timeline any, long lsn, int db) {
        Timeline timeline = any.holderOf(lsn);
        ReadView view = timeline.viewAt(lsn);
        Key[] found = new Key[1];
        RelationMap[] map = new RelationMap[1];
        view.scan(
                Keys.ofKind(Keys.RELMAP),
                (key, content) -> {
                    if (key.field3() == db) {
                        found[0] = key;
                        map[0] = new RelationMap(content);
                    }
                });
        if (found[0] == null || map[0] == null || map[0].find(PG_CLASS) == 0) {
            return null;
        }
        int spc = found[0].field2();
        CatalogueRows rows = new CatalogueRows(timeline, lsn);
        RelTag pgClass = new RelTag(spc, db, map[0].find(PG_CLASS), RelTag.MAIN);
        int blocks = rows.blocks(pgClass);
        if (blocks < 0 || blocks > MOST_BLOCKS) {
            return null;
        }
        Catalogue catalogue = new Catalogue();
        catalogue.read(rows, pgClass, map[0], timeline.version());
        return catalogue;
    }

    private void read(CatalogueRows rows, RelTag pgClass, RelationMap map, PgVersion version) {
        int kindAt = version.atLeast(PgVersion.V18) ? 119 : 115;
        Map<Integer, Integer> namespaceOf = new HashMap<>();
        rows.forEach(
                pgClass,
                (page, at, length) -> {
                    if (length <= kindAt) {
                        return;
                    }
                    int oid = Bytes.i32(page, at);
                    int rel = Bytes.i32(page, at + 88);
                    int spc = Bytes.i32(page, at + 92);
                    namespaceOf.put(oid, Bytes.i32(page, at + 68));
                    byOid.put(
                            oid,
                            new Relation(
                                    oid,
                                    CatalogueRows.name(page, at + 4),
                                    (char) page[at + kindAt],
                                    spc == 0 ? pgClass.spc() : spc,
                                    rel == 0 ? map.find(oid) : rel));
                });
        Map<Integer, String> namespaces = new HashMap<>();
        Relation pgNamespace = byOid.get(PG_NAMESPACE);
        if (pgNamespace != null) {
            rows.forEach(
                    new RelTag(pgNamespace.spc, pgClass.db(), pgNamespace.rel, RelTag.MAIN),
                    (page, at, length) ->
                            namespaces.put(Bytes.i32(page, at), CatalogueRows.name(page, at + 4)));
        }
        byOid.replaceAll((oid, r) ->
                new Relation(
                        oid,
                        qualified(namespaces.get(namespaceOf.get(oid)), r.name),
                        r.kind,
                        r.spc,
                        r.rel));
        byOid.values().forEach(r -> byFile.put(file(r.spc, r.rel), r));
    }

    private static String qualified(@Nullable String namespace, String name) {
        return namespace == null ? name : namespace + "." + name;
    }

    private static long file(int spc, int rel) {
        return (long) spc << 32 | rel & 0xFFFF_FFFFL;
    }

    /** The relation whose files have that number, or null. */
    @Nullable Relation find(int spc, int rel) {
        return byFile.get(file(spc, rel));
    }

    /** The one that has that id, or null. */
    @Nullable Relation byOid(int oid) {
        return byOid.get(oid);
    }

    /** The names of the databases there are at an LSN, by their ids. */
    static Map<Integer, String> databases(Timeline any, long lsn) {
        Timeline timeline = any.holderOf(lsn);
        Map<Integer, String> names = new TreeMap<>(Integer::compareUnsigned);
        byte[] map = timeline.viewAt(lsn).image(Keys.relmap(RelTag.GLOBAL_TABLESPACE, 0));
        if (map == null) {
            return names;
        }
        int rel = new RelationMap(map).find(PG_DATABASE);
        new CatalogueRows(timeline, lsn)
                .forEach(
                        new RelTag(RelTag.GLOBAL_TABLESPACE, 0, rel, RelTag.MAIN),
                        (page, at, length) ->
                                names.put(Bytes.i32(page, at), CatalogueRows.name(page, at + 4)));
        return names;
    }
}
