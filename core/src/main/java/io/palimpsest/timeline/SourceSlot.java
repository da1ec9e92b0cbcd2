package io.palimpsest.timeline;

import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Environment;
import io.palimpsest.protocol.ReplicationConnection;
import io.palimpsest.protocol.ReplicationError;
import io.palimpsest.protocol.ReplicationSettings;

/** A source is spoken to about the slot there that is ours. */
public final class SourceSlot {
    private SourceSlot() {}

    /** As the WAL receiver comes: whoever else asks a source finds out what that one will. */
    public static ReplicationConnection connect(Environment environment, WalSource source) {
        return ReplicationConnection.open(
                environment.net(),
                environment.clock(),
                environment.ids(),
                new ReplicationSettings(
                        source.host(),
                        source.port(),
                        source.user(),
                        source.password().isEmpty() ? null : source.password()));
    }

    /**
     * Drops it: the source keeps no more WAL for us.
     *
     * @throws PageserverException as the source says, or if it does not answer; then somebody has
     *     to drop it there
     */
    public static void drop(Environment environment, WalSource source) {
        drop(environment, source, true);
    }

    /**
     * The same if nobody uses it, where we do not: somebody who does follows the source by it.
     *
     * @return false if it is in use, and stays
     */
    static boolean dropUnused(Environment environment, WalSource source) {
        try {
            drop(environment, source, false);
            return true;
        } catch (PageserverException e) {
            if (ReplicationError.is(e, ReplicationError.SLOT_IN_USE)) {
                return false;
            }
            if (ReplicationError.is(e, ReplicationError.NO_SUCH_SLOT)) {
                return true;
            }
            throw e;
        }
    }

    private static void drop(Environment environment, WalSource source, boolean wait) {
        try (ReplicationConnection connection = connect(environment, source)) {
            connection.dropReplicationSlot(source.slot(), wait);
        }
    }
}
