package io.palimpsest.service;

import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What an operator says of a branch. Each is there, durably and with a store in the store, when
 * {@link Management#run} returns; the same again is fine.
 */
public sealed interface BranchCommand {
    /** It is called so; CONFLICT if another one is. */
    record Rename(Label to) implements BranchCommand {}

    /**
     * It gets the name of another branch, at once.
     *
     * @param preserveUnder what the other is called from then on; null: nothing
     */
    record TakeName(Label name, @Nullable Label preserveUnder) implements BranchCommand {}

    /** It is neither deleted nor archived, keeps its name and does not expire; or may again. */
    record Protect(boolean on) implements BranchCommand {}

    /** It is deleted then, if nothing hangs on it; null: it is not. */
    record Expire(@Nullable Instant at) implements BranchCommand {}

    /**
     * An LSN of its own history gets a name.
     *
     * @param at {@link Lsn#INVALID}: the last record
     * @param pinned it stays readable
     * @param until then a pinned one is let go; null: never
     */
    record CreatePoint(Label name, Lsn at, boolean pinned, @Nullable Instant until)
            implements BranchCommand {
        /** A pinned one is for ever. */
        public CreatePoint(Label name, Lsn at, boolean pinned) {
            this(name, at, pinned, null);
        }
    }

    /**
     * A point stays readable, or goes with the history around it.
     *
     * @param until then it is let go; null: never
     */
    record Pin(Label point, boolean on, @Nullable Instant until) implements BranchCommand {
        /** For ever. */
        public Pin(Label point, boolean on) {
            this(point, on, null);
        }
    }

    /** A point has no name any more. */
    record DeletePoint(Label point) implements BranchCommand {}
}
