package io.palimpsest.pg;

import org.jspecify.annotations.Nullable;

/**
 * A file of a relation: {@code <relfilenumber>[_fsm|_vm|_init][.<segment>]}, where segment n holds
 * the fork's blocks from n * 131072 on. Source: PostgreSQL's relpath.c, md.c.
 */
public record RelationFile(int relation, int fork, int segment) {
    public static final int BLOCKS_PER_SEGMENT = 131_072;

    /** Null if the name is not a relation's; those of temporary relations (t3_16390) are not. */
    public static @Nullable RelationFile parse(String name) {
        String stem = name;
        int segment = 0;
        int dot = name.indexOf('.');
        if (dot >= 0) {
            segment = number(name.substring(dot + 1));
            // The last segment a block number of 32 bits can reach.
            if (segment <= 0 || segment > 32_767) {
                return null;
            }
            stem = name.substring(0, dot);
        }
        int fork = RelTag.MAIN;
        int underscore = stem.indexOf('_');
        if (underscore >= 0) {
            fork =
                    switch (stem.substring(underscore)) {
                        case "_fsm" -> RelTag.FSM;
                        case "_vm" -> RelTag.VM;
                        case "_init" -> RelTag.INIT;
                        default -> -1;
                    };
            stem = stem.substring(0, underscore);
        }
        int relation = number(stem);
        return fork < 0 || relation == 0 ? null : new RelationFile(relation, fork, segment);
    }

    /** Its name; {@link #parse} reads it. */
    public String name() {
        return Integer.toUnsignedString(relation)
                + RelTag.suffix(fork)
                + (segment == 0 ? "" : "." + segment);
    }

    /** An oid or segment number in decimal, unsigned 32 bits; 0 if it is none. */
    public static int number(String digits) {
        if (digits.isEmpty() || digits.length() > 10 || digits.charAt(0) == '0') {
            return 0;
        }
        long n = 0;
        for (int i = 0; i < digits.length(); i++) {
            char c = digits.charAt(i);
            if (c < '0' || c > '9') {
                return 0;
            }
            n = n * 10 + (c - '0');
        }
        return n > 0xFFFF_FFFFL ? 0 : (int) n;
    }
}
