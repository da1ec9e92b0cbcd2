package io.palimpsest.port;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;

/**
 * Another way to apply WAL records to a page than by this program's own code: PostgreSQL itself.
 * Called by any number of tasks at once.
 */
public interface RedoEngine {
    /** When it is asked. */
    enum Mode {
        /** Only for records that this program cannot redo. */
        WHERE_NEEDED,
        /** For all records. */
        ALWAYS,
        /** For all records, beside this program's own redo; the two must agree. */
        COMPARE
    }

    /** The stored values of one page, newest first. */
    interface Values {
        int count();

        /** LSN of value {@code i}; 0 is the newest. */
        long lsn(int i);

        /** Where value {@code i} is in {@link #bytes()}. */
        int offset(int i);

        int length(int i);

        byte[] bytes();

        /** The page's key. */
        long hi();

        long mid();

        long lo();
    }

    /** There is no other engine. */
    RedoEngine NONE =
            new RedoEngine() {
                @Override
                public Mode mode() {
                    return Mode.WHERE_NEEDED;
                }

                @Override
                public boolean knows(int majorVersion) {
                    return false;
                }

                @Override
                public void apply(
                        int majorVersion,
                        boolean hintBitsLogged,
                        Values values,
                        int oldest,
                        int newest,
                        byte[] page) {
                    throw PageserverException.of(
                            ErrorCode.UNSUPPORTED,
                            "no redo process for PostgreSQL %d",
                            majorVersion);
                }
            };

    Mode mode();

    /** Is there an engine for this version of PostgreSQL? */
    boolean knows(int majorVersion);

    /**
     * Applies values {@code oldest} down to {@code newest}, all of them WAL records, to the page.
     * May block, but not for ever.
     *
     * @param hintBitsLogged data checksums or wal_log_hints were on
     * @param page in: the page before (zeros if there was none), out: after
     * @throws PageserverException CORRUPTION if the engine refuses a record or cannot live with it,
     *     UNSUPPORTED if there is no engine for this version, IO if it could not be started or did
     *     not answer in time
     */
    void apply(
            int majorVersion,
            boolean hintBitsLogged,
            Values values,
            int oldest,
            int newest,
            byte[] page);
}
