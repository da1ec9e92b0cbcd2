package io.palimpsest.timeline;

import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import org.jspecify.annotations.Nullable;

/**
 * Whether a timeline may take in more WAL, or is to wait for the store: not more than a limit is to
 * be lost with the machine and come back from the source alone. It waits only while the store takes
 * what it is given. If that fails, or nothing comes to an end there for a while, WAL goes on, and
 * what is not in the store is bounded by the disk, until a step of the upload has worked again.
 *
 * <p>Asked by the one task that takes the WAL in.
 */
final class UploadLag {
    /** A store that has not done anything for so long is waited for no longer. */
    private static final long PATIENCE = 30_000_000_000L;

    /** Of the limit: WAL comes in pieces, and waits before the one that would go past it. */
    private static final int MARGIN_PART = 64;

    private final Environment environment;
    private final Subject subject;
    private final long most;

    /** When something came to an end last; written by the uploads. */
    private volatile long progress;

    private boolean waiting;
    private long waitingSince;
    private boolean gaveUp;

    /**
     * @param most bytes of WAL that may not be in the store; 0: any
     */
    UploadLag(Environment environment, Subject subject, long most) {
        this.environment = environment;
        this.subject = subject;
        this.most = most - most / MARGIN_PART;
        progress = environment.clock().monotonicNanos();
    }

    /** A step of the upload has worked. */
    void progressed() {
        progress = environment.clock().monotonicNanos();
    }

    /** With this in the store, WAL up to {@code last} is not too much. */
    long enough(long last) {
        return last - most;
    }

    /**
     * @param last up to where WAL was taken in
     * @param stored up to where it is in the store; 0: nothing is yet, and nothing is waited for
     * @param failure of the last step of the upload, or null
     */
    boolean admits(long last, long stored, @Nullable String failure) {
        if (most == 0 || stored == 0 || last - stored <= most) {
            waiting = false;
            gaveUp = false;
            return true;
        }
        long now = environment.clock().monotonicNanos();
        if (!waiting) {
            waiting = true;
            waitingSince = now;
            tell(Event.WAL_WAITS_FOR_STORE, last - stored + " bytes are not in the store");
        }
        boolean stands = now - Math.max(waitingSince, progress) >= PATIENCE;
        if (failure == null && !stands) {
            gaveUp = false;
            return false;
        }
        if (!gaveUp) {
            gaveUp = true;
            environment
                    .tracer()
                    .event(
                            Event.WAL_GOES_ON_WITHOUT_STORE,
                            subject,
                            failure == null ? "the store takes nothing" : failure);
        }
        return true;
    }

    private void tell(Event event, String what) {
        environment.tracer().event(event, subject, what);
    }
}
