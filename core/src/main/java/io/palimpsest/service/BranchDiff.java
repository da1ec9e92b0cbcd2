package io.palimpsest.service;

import io.palimpsest.base.Lsn;
import io.palimpsest.pg.RelTag;
import io.palimpsest.timeline.Differences;
import io.palimpsest.timeline.Timeline;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What differs between two points of histories, by the names that relations have there. Files are
 * put together that are the same relation's: it was written anew on one side.
 *
 * @param common up to which LSN they have the same history; null: they have none in common
 * @param exact blocks were compared; else those count that were written
 * @param atMost blocks may count that were not written
 * @param relations what differs most first
 */
public record BranchDiff(
        @Nullable Lsn common, boolean exact, boolean atMost, List<Relation> relations) {
    /**
     * A relation that is not the same.
     *
     * @param database its name, or its id; null: of all databases
     * @param name null: the catalogue does not say it
     * @param kind as relkind, or 0
     * @param file tablespace, database and number at the one; null: it is not there
     * @param otherFile the same at the other
     * @param blocks at the one, at the other; -1: it is not there
     * @param changed of those that both have; all, where the files are not the same
     */
    public record Relation(
            @Nullable String database,
            @Nullable String name,
            char kind,
            @Nullable String file,
            @Nullable String otherFile,
            long blocks,
            long otherBlocks,
            long changed) {
        /** How much there is to see. */
        long weight() {
            return changed + Math.abs(Math.max(0, blocks) - Math.max(0, otherBlocks));
        }
    }

    public BranchDiff {
        relations = List.copyOf(relations);
    }

    /** May block, and with {@code exact} for long. */
    static BranchDiff of(Timeline one, long lsn, Timeline other, long otherLsn, boolean exact) {
        // Blocks may be read for long.
        long _ = one.holderOf(lsn).keep(lsn);
        long _ = other.holderOf(otherLsn).keep(otherLsn);
        Differences.Result found =
                Differences.between(
                        new Differences.Side(one, lsn),
                        new Differences.Side(other, otherLsn),
                        exact);
        TreeMap<Integer, List<Differences.Relation>> byDatabase =
                new TreeMap<>(Integer::compareUnsigned);
        for (Differences.Relation relation : found.relations()) {
            byDatabase.computeIfAbsent(relation.db(), _ -> new ArrayList<>()).add(relation);
        }
        Map<Integer, String> databases = new HashMap<>(Catalogue.databases(one, lsn));
        databases.putAll(Catalogue.databases(other, otherLsn));
        List<Relation> all = new ArrayList<>();
        byDatabase.forEach((db, relations) -> {
            String name = db == 0 ? null : databases.getOrDefault(db, Integer.toUnsignedString(db));
            new Names(
                            name,
                            db == 0 ? null : Catalogue.of(one, lsn, db),
                            db == 0 ? null : Catalogue.of(other, otherLsn, db))
                    .add(relations, all);
        });
        all.sort(
                Comparator.comparingLong(Relation::weight)
                        .reversed()
                        .thenComparing(r -> String.valueOf(r.name))
                        .thenComparing(r -> String.valueOf(r.file)));
        Lsn common = found.common() == 0 ? null : new Lsn(found.common());
        return new BranchDiff(common, exact, found.atMost(), all);
    }

    /** One database's names at both points. */
    private record Names(
            @Nullable String database, @Nullable Catalogue one, @Nullable Catalogue other) {
        void add(List<Differences.Relation> relations, List<Relation> into) {
            Map<Integer, Differences.Relation> onlyOne = new HashMap<>();
            Set<Integer> inBoth = new HashSet<>();
            for (Differences.Relation r : relations) {
                Catalogue.Relation here = name(one, r);
                Catalogue.Relation there = name(other, r);
                if (r.otherBlocks() < 0 && here != null) {
                    onlyOne.put(here.oid(), r);
                }
                if (r.blocks() < 0 && there != null) {
                    inBoth.add(there.oid());
                }
            }
            inBoth.retainAll(onlyOne.keySet());
            for (Differences.Relation r : relations) {
                Catalogue.Relation here = name(one, r);
                Catalogue.Relation there = name(other, r);
                if (r.blocks() < 0 && there != null && inBoth.contains(there.oid())) {
                    into.add(anew(there, onlyOne.get(there.oid()), r));
                } else if (r.otherBlocks() >= 0 || here == null || !inBoth.contains(here.oid())) {
                    into.add(same(there == null ? here : there, r));
                }
            }
        }

        private Relation same(Catalogue.@Nullable Relation name, Differences.Relation r) {
            return new Relation(
                    database,
                    name == null ? null : name.name(),
                    name == null ? 0 : name.kind(),
                    r.blocks() < 0 ? null : file(r),
                    r.otherBlocks() < 0 ? null : file(r),
                    r.blocks(),
                    r.otherBlocks(),
                    r.changed());
        }

        /** The files are others on the two sides. */
        private Relation anew(
                Catalogue.Relation name,
                Differences.@Nullable Relation here,
                Differences.Relation there) {
            long blocks = here == null ? -1 : here.blocks();
            return new Relation(
                    database,
                    name.name(),
                    name.kind(),
                    here == null ? null : file(here),
                    file(there),
                    blocks,
                    there.otherBlocks(),
                    Math.max(0, Math.min(blocks, there.otherBlocks())));
        }

        private static Catalogue.@Nullable Relation name(
                @Nullable Catalogue catalogue, Differences.Relation r) {
            return catalogue == null ? null : catalogue.find(r.spc(), r.rel());
        }

        private static String file(Differences.Relation r) {
            return new RelTag(r.spc(), r.db(), r.rel(), RelTag.MAIN).toString();
        }
    }
}
