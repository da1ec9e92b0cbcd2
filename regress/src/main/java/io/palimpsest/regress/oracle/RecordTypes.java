package io.palimpsest.regress.oracle;

import io.palimpsest.redo.RedoCheck;
import io.palimpsest.redo.RedoCheck.Tally;
import io.palimpsest.wal.Rmgr;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Every record type of PostgreSQL 14 to 18, and what was seen of it. Source of the opcodes:
 * PostgreSQL's heapam_xlog.h, nbtxlog.h, hash_xlog.h, ginxlog.h, gistxlog.h, spgxlog.h,
 * brin_xlog.h, xact.h, pg_control.h and the like.
 */
final class RecordTypes {
    /**
     * One of them.
     *
     * @param info the opcode
     * @param unreachable why the workload does not make it; empty if it should
     */
    record Type(int rmid, int info, String name, int from, int to, String unreachable) {
        boolean exists(int major) {
            return major >= from && major <= to;
        }
    }

    /** rmgr | opcode | name | versions | why no workload here makes it. */
    private static final String TABLE =
            """
            XLOG|00|CHECKPOINT_SHUTDOWN||
            XLOG|10|CHECKPOINT_ONLINE||
            XLOG|20|NOOP||no server writes it
            XLOG|30|NEXTOID||
            XLOG|40|SWITCH||
            XLOG|50|BACKUP_END||
            XLOG|60|PARAMETER_CHANGE||written at a start with other settings, before the stream begins
            XLOG|70|RESTORE_POINT||
            XLOG|80|FPW_CHANGE||
            XLOG|90|END_OF_RECOVERY||written when a standby is promoted
            XLOG|A0|FPI_FOR_HINT||
            XLOG|B0|FPI||
            XLOG|D0|OVERWRITE_CONTRECORD||written after a crash in the middle of a record
            XLOG|E0|CHECKPOINT_REDO|17-18|
            XACT|00|COMMIT||
            XACT|10|PREPARE||
            XACT|20|ABORT||
            XACT|30|COMMIT_PREPARED||
            XACT|40|ABORT_PREPARED||
            XACT|50|ASSIGNMENT||
            XACT|60|INVALIDATIONS||
            SMGR|10|CREATE||
            SMGR|20|TRUNCATE||
            CLOG|00|ZEROPAGE||
            CLOG|10|TRUNCATE||needs a million transactions, all frozen in every database
            DBASE|00|CREATE|14-14|
            DBASE|10|DROP|14-14|
            DBASE|00|CREATE_FILE_COPY|15-18|
            DBASE|10|CREATE_WAL_LOG|15-18|
            DBASE|20|DROP|15-18|
            TBLSPC|00|CREATE||
            TBLSPC|10|DROP||
            MULTIXACT|00|ZERO_OFF_PAGE||
            MULTIXACT|10|ZERO_MEM_PAGE||
            MULTIXACT|20|CREATE_ID||
            MULTIXACT|30|TRUNCATE_ID||needs 65536 multixacts, all frozen in every database
            RELMAP|00|UPDATE||
            STANDBY|00|LOCK||
            STANDBY|10|RUNNING_XACTS||
            STANDBY|20|INVALIDATIONS||
            HEAP2|00|REWRITE||
            HEAP2|10|PRUNE|14-16|
            HEAP2|20|VACUUM|14-16|
            HEAP2|30|FREEZE_PAGE|14-16|
            HEAP2|10|PRUNE_ON_ACCESS|17-18|
            HEAP2|20|PRUNE_VACUUM_SCAN|17-18|
            HEAP2|30|PRUNE_VACUUM_CLEANUP|17-18|
            HEAP2|40|VISIBLE||
            HEAP2|50|MULTI_INSERT||
            HEAP2|D0|MULTI_INSERT+INIT||
            HEAP2|60|LOCK_UPDATED||
            HEAP2|70|NEW_CID||
            HEAP|00|INSERT||
            HEAP|80|INSERT+INIT||
            HEAP|10|DELETE||
            HEAP|20|UPDATE||
            HEAP|A0|UPDATE+INIT||
            HEAP|30|TRUNCATE||
            HEAP|40|HOT_UPDATE||
            HEAP|50|CONFIRM||
            HEAP|60|LOCK||
            HEAP|70|INPLACE||
            BTREE|00|INSERT_LEAF||
            BTREE|10|INSERT_UPPER||
            BTREE|20|INSERT_META||
            BTREE|30|SPLIT_L||
            BTREE|40|SPLIT_R||
            BTREE|50|INSERT_POST||
            BTREE|60|DEDUP||
            BTREE|70|DELETE||
            BTREE|80|UNLINK_PAGE||
            BTREE|90|UNLINK_PAGE_META||
            BTREE|A0|NEWROOT||
            BTREE|B0|MARK_PAGE_HALFDEAD||
            BTREE|C0|VACUUM||
            BTREE|D0|REUSE_PAGE||
            BTREE|E0|META_CLEANUP||
            HASH|00|INIT_META_PAGE||
            HASH|10|INIT_BITMAP_PAGE||
            HASH|20|INSERT||
            HASH|30|ADD_OVFL_PAGE||
            HASH|40|SPLIT_ALLOCATE_PAGE||
            HASH|50|SPLIT_PAGE||
            HASH|60|SPLIT_COMPLETE||
            HASH|70|MOVE_PAGE_CONTENTS||
            HASH|80|SQUEEZE_PAGE||
            HASH|90|DELETE||
            HASH|A0|SPLIT_CLEANUP||
            HASH|B0|UPDATE_META_PAGE||
            HASH|C0|VACUUM_ONE_PAGE||
            GIN|10|CREATE_PTREE||
            GIN|20|INSERT||
            GIN|30|SPLIT||
            GIN|40|VACUUM_PAGE||
            GIN|50|DELETE_PAGE||
            GIN|60|UPDATE_META_PAGE||
            GIN|70|INSERT_LISTPAGE||
            GIN|80|DELETE_LISTPAGE||
            GIN|90|VACUUM_DATA_LEAF_PAGE||
            GIST|00|PAGE_UPDATE||
            GIST|10|DELETE||
            GIST|20|PAGE_REUSE||
            GIST|30|PAGE_SPLIT||
            GIST|60|PAGE_DELETE||
            GIST|70|ASSIGN_LSN||written only with wal_level = minimal, which nobody can follow
            SEQ|00|LOG||
            SPGIST|10|ADD_LEAF||
            SPGIST|20|MOVE_LEAFS||
            SPGIST|30|ADD_NODE||
            SPGIST|40|SPLIT_TUPLE||
            SPGIST|50|PICKSPLIT||
            SPGIST|60|VACUUM_LEAF||
            SPGIST|70|VACUUM_ROOT||
            SPGIST|80|VACUUM_REDIRECT||
            BRIN|00|CREATE_INDEX||
            BRIN|10|INSERT||
            BRIN|90|INSERT+INIT||
            BRIN|20|UPDATE||
            BRIN|A0|UPDATE+INIT||
            BRIN|30|SAMEPAGE_UPDATE||
            BRIN|40|REVMAP_EXTEND||
            BRIN|50|DESUMMARIZE||
            COMMIT_TS|00|ZEROPAGE||
            COMMIT_TS|10|TRUNCATE||needs 26208 transactions, all frozen in every database
            REPLORIGIN|00|SET||
            REPLORIGIN|10|DROP||
            GENERIC|00|GENERIC||
            LOGICALMSG|00|MESSAGE||
            """;

    private static final List<Type> ALL = parse();
    private static final int OPCODES = 16;

    private final int major;
    private final @Nullable Tally[] tallies = new @Nullable Tally[256 * OPCODES];

    RecordTypes(int major) {
        this.major = major;
    }

    private static List<Type> parse() {
        List<Type> types = new ArrayList<>();
        for (String line : TABLE.lines().toList()) {
            String[] part = line.split("\\|", -1);
            int rmid = 0;
            while (!Rmgr.name(rmid).equals(part[0])) {
                rmid++;
            }
            String[] versions = part[3].isEmpty() ? new String[] {"14", "18"} : part[3].split("-");
            types.add(
                    new Type(
                            rmid,
                            Integer.parseInt(part[1], 16),
                            part[2],
                            Integer.parseInt(versions[0]),
                            Integer.parseInt(versions[1]),
                            part[4]));
        }
        return List.copyOf(types);
    }

    /** Those of this version. */
    List<Type> types() {
        return ALL.stream().filter(t -> t.exists(major)).toList();
    }

    /** Takes in what one check has seen. */
    void add(RedoCheck check) {
        for (int rmid = 0; rmid < 256; rmid++) {
            for (int info = 0; info < 256; info += OPCODES) {
                Tally tally = check.tally(rmid, info);
                if (tally != null) {
                    at(rmid, opcode(rmid, info)).add(tally);
                }
            }
        }
    }

    /** XACT's highest bit is no part of the opcode, and only an initialising record is its own. */
    private int opcode(int rmid, int info) {
        boolean known = types().stream().anyMatch(t -> t.rmid() == rmid && t.info() == info);
        return known ? info : info & 0x70;
    }

    private Tally at(int rmid, int info) {
        int index = rmid * OPCODES + (info >> 4);
        Tally tally = tallies[index];
        if (tally == null) {
            tally = new Tally();
            tallies[index] = tally;
        }
        return tally;
    }

    /** Seen, checked and not seen; what is not in the list comes last. */
    String text() {
        StringBuilder out = new StringBuilder();
        out.append(
                String.format(
                        Locale.ROOT,
                        "%-11s %-2s %-22s %10s %10s %9s %11s %8s%n",
                        "rmgr",
                        "",
                        "record",
                        "seen",
                        "checked",
                        "mismatch",
                        "unsupported",
                        "no base"));
        for (Type type : types()) {
            Tally tally = at(type.rmid(), type.info());
            line(out, type.rmid(), type.info(), type.name(), tally);
            if (tally.seen() == 0) {
                String why = type.unreachable();
                out.append("  not seen").append(why.isEmpty() ? "" : ": " + why);
            }
            out.append('\n');
        }
        for (int rmid = 0; rmid < 256; rmid++) {
            for (int op = 0; op < OPCODES; op++) {
                Tally tally = tallies[rmid * OPCODES + op];
                int info = op << 4;
                int id = rmid;
                if (tally != null
                        && tally.seen() > 0
                        && types().stream().noneMatch(t -> t.rmid() == id && t.info() == info)) {
                    line(out, rmid, info, "(not in the list)", tally);
                    out.append('\n');
                }
            }
        }
        return out.toString();
    }

    private static void line(StringBuilder out, int rmid, int info, String name, Tally tally) {
        out.append(
                String.format(
                        Locale.ROOT,
                        "%-11s %02X %-22s %10d %10d %9d %11d %8d",
                        Rmgr.name(rmid),
                        info,
                        name,
                        tally.seen(),
                        tally.checked(),
                        tally.mismatches(),
                        tally.unsupported(),
                        tally.withoutBase()));
    }

    /** Types that the workload should have made and did not. */
    List<String> missed() {
        return types().stream()
                .filter(t -> t.unreachable().isEmpty() && at(t.rmid(), t.info()).seen() == 0)
                .map(t -> Rmgr.name(t.rmid()) + " " + t.name())
                .toList();
    }

    int seen() {
        return (int) types().stream().filter(t -> at(t.rmid(), t.info()).seen() > 0).count();
    }
}
