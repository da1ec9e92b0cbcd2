package io.palimpsest.timeline;

/** Who does the background work of timelines, as they see it. */
public interface Housekeeping {
    /** Nobody does. */
    Housekeeping NONE =
            new Housekeeping() {
                @Override
                public void flushed(Timeline timeline) {}

                @Override
                public void changed(Timeline timeline) {}

                @Override
                public void makeRoom(Timeline timeline) {}
            };

    /** A frozen layer is durable. Returns at once. */
    void flushed(Timeline timeline);

    /** Less may have to be kept than before: a branch or lease is gone. Returns at once. */
    void changed(Timeline timeline);

    /**
     * Waits while more L0s lie about than reads can bear and somebody is at work on them; asked
     * before another one is written. With no monitor held.
     */
    void makeRoom(Timeline timeline);
}
