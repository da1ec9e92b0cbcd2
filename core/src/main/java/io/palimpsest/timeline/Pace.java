package io.palimpsest.timeline;

/** How a job of background work fits in with everything else; asked by the job as it goes. */
public interface Pace {
    /**
     * So many bytes were read or written: may wait, lets others run, and throws {@code
     * Tasks.Cancelled} if the work is to end. Not with a monitor held.
     */
    void spent(long bytes);

    /** Is there more urgent work? Asked between output files; the job then ends early. */
    boolean giveWay();
}
