package io.palimpsest.sim.check;

import io.palimpsest.base.Check;
import io.palimpsest.timeline.WalReceiver;
import org.jspecify.annotations.Nullable;

/** That a timeline goes on following its source, whatever the network does. */
public final class Receiving {
    private Receiving() {}

    public static void check(@Nullable WalReceiver receiver) {
        Check.that(receiver != null, "the timeline has no WAL receiver");
        if (receiver != null) {
            Check.that(
                    receiver.state() != WalReceiver.State.BROKEN
                            && receiver.state() != WalReceiver.State.STOPPED,
                    "WAL receiver: %s",
                    receiver.status());
        }
    }
}
