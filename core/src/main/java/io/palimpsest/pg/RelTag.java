package io.palimpsest.pg;

/**
 * One fork of one relation, by its file: tablespace, database and relfilenumber (all unsigned 32
 * bits), fork.
 */
public record RelTag(int spc, int db, int rel, int fork) {
    public static final int MAIN = 0;
    public static final int FSM = 1;
    public static final int VM = 2;
    public static final int INIT = 3;

    public static final int DEFAULT_TABLESPACE = 1663;
    public static final int GLOBAL_TABLESPACE = 1664;

    public RelTag withFork(int otherFork) {
        return new RelTag(spc, db, rel, otherFork);
    }

    /** {@code spc/db/rel} and the fork's suffix as in file names. */
    @Override
    public String toString() {
        return Integer.toUnsignedString(spc)
                + "/"
                + Integer.toUnsignedString(db)
                + "/"
                + Integer.toUnsignedString(rel)
                + suffix(fork);
    }

    /** What a fork's file name ends with. */
    static String suffix(int fork) {
        return switch (fork) {
            case MAIN -> "";
            case FSM -> "_fsm";
            case VM -> "_vm";
            case INIT -> "_init";
            default -> "_fork" + fork;
        };
    }
}
