package io.palimpsest.timeline;

import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Environment;
import io.palimpsest.protocol.ReplicationConnection;
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
        try (ReplicationConnection connection = connect(environment, source)) {
            connection.dropReplicationSlot(source.slot(), true);
        }
    }
}
