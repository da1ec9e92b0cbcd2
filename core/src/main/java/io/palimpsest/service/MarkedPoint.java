package io.palimpsest.service;

import io.palimpsest.pg.RelTag;
import io.palimpsest.timeline.LsnAtTime;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Marker;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * A marker with the names of what it is about: what somebody did to a branch, and the point just
 * before.
 *
 * @param kind the worst that was done
 * @param at when, if it is known
 * @param name of the restore point, or of the database that was dropped
 * @param relations what it was done to, as far as it is told apart
 */
public record MarkedPoint(
        Marker marker,
        Kind kind,
        @Nullable Instant at,
        @Nullable String name,
        List<Relation> relations) {
    /** What was done. The order is that of how bad it is. */
    public enum Kind {
        DROP_DATABASE,
        DROP_TABLE,
        /** A table is empty that was not: TRUNCATE, or it was written anew without rows. */
        TRUNCATE,
        /** Many rows were deleted. */
        DELETE,
        /** Files of relations went, and the catalogue does not tell which those were. */
        GONE,
        RESTORE_POINT,
        /** Tables were written anew with what they had, or only others than tables went. */
        REWRITE
    }

    /**
     * A table, or if its name is not known the numbers of its files.
     *
     * @param blocks that went
     * @param rows that were deleted, at the least
     */
    public record Relation(String name, Kind kind, long blocks, long rows) {}

    public MarkedPoint {
        relations = List.copyOf(relations);
    }

    /** May block: it reads the catalogue before and after. */
    static MarkedPoint of(Timeline timeline, Marker marker) {
        String name = marker.restorePoint();
        List<Relation> relations = new ArrayList<>();
        Kind kind = Kind.REWRITE;
        if (name != null) {
            kind = Kind.RESTORE_POINT;
        } else if (marker.database() != 0) {
            kind = Kind.DROP_DATABASE;
            Map<Integer, String> databases = Catalogue.databases(timeline, marker.before());
            name =
                    databases.getOrDefault(
                            marker.database(), Integer.toUnsignedString(marker.database()));
        } else {
            Names names = new Names(timeline, marker);
            for (Marker.Gone gone : marker.gone()) {
                names.add(gone, relations);
            }
            for (Marker.Deleted deleted : marker.deleted()) {
                names.add(deleted, relations);
            }
        }
        for (Relation relation : relations) {
            kind = relation.kind.compareTo(kind) < 0 ? relation.kind : kind;
        }
        return new MarkedPoint(marker, kind, moment(timeline, marker), name, relations);
    }

    private static @Nullable Instant moment(Timeline timeline, Marker marker) {
        if (marker.micros() != 0) {
            return LsnAtTime.moment(marker.micros());
        }
        OptionalLong last = timeline.holderOf(marker.before()).timestampByLsn(marker.before());
        return last.isEmpty() ? null : LsnAtTime.moment(last.getAsLong());
    }

    /** The catalogues before and after, of the database that was looked for last. */
    private static final class Names {
        private final Timeline timeline;
        private final Marker marker;
        private int db;
        private @Nullable Catalogue before;
        private @Nullable Catalogue after;

        Names(Timeline timeline, Marker marker) {
            this.timeline = timeline;
            this.marker = marker;
        }

        private void of(int database) {
            if (db != database) {
                db = database;
                before = Catalogue.of(timeline, marker.before(), database);
                after = Catalogue.of(timeline, marker.lsn(), database);
            }
        }

        void add(Marker.Gone gone, List<Relation> into) {
            of(gone.db());
            if (before == null || after == null) {
                into.add(
                        new Relation(
                                file(gone.spc(), gone.db(), gone.rel()),
                                Kind.GONE,
                                gone.blocks(),
                                0));
                return;
            }
            Catalogue.Relation was = before.find(gone.spc(), gone.rel());
            // Not there before: the same transaction had made it.
            if (was == null || was.kind() != 'r' && was.kind() != 'm') {
                return;
            }
            into.add(new Relation(was.name(), became(was, gone, after), gone.blocks(), 0));
        }

        private Kind became(Catalogue.Relation was, Marker.Gone gone, Catalogue then) {
            Catalogue.Relation now = then.byOid(was.oid());
            if (now == null) {
                return Kind.DROP_TABLE;
            }
            int blocks =
                    timeline.holderOf(marker.lsn())
                            .relationBlocks(
                                    new RelTag(now.spc(), gone.db(), now.rel(), RelTag.MAIN),
                                    marker.lsn());
            return blocks <= 0 && gone.blocks() > 0 ? Kind.TRUNCATE : Kind.REWRITE;
        }

        void add(Marker.Deleted deleted, List<Relation> into) {
            of(deleted.db());
            if (before == null) {
                String file = file(deleted.spc(), deleted.db(), deleted.rel());
                into.add(new Relation(file, Kind.DELETE, 0, deleted.rows()));
                return;
            }
            Catalogue.Relation was = before.find(deleted.spc(), deleted.rel());
            if (was != null && was.kind() == 'r') {
                into.add(new Relation(was.name(), Kind.DELETE, 0, deleted.rows()));
            }
        }

        private static String file(int spc, int db, int rel) {
            return new RelTag(spc, db, rel, RelTag.MAIN).toString();
        }
    }
}
