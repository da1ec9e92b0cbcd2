package io.palimpsest.sim.crash;

/** Something that changes what is durable, in several steps, and may be cut off after each. */
interface CrashProtocol {
    /** Lower case, words joined by '-'. */
    String name();

    /** Whether the page server has an object store. */
    boolean withStore();

    /** What is there before; power is not lost in it. */
    void prepare(CrashWorld world);

    /** What power is lost in. */
    void run(CrashWorld world);
}
