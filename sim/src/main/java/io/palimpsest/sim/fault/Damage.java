package io.palimpsest.sim.fault;

/** What becomes of a stored object though nobody has asked for it. */
public enum Damage {
    /** Bits flip, and the store goes on to say the checksum of what was put. */
    ROTTEN,
    /** Bits flip, and the store says the checksum of what it has now. */
    FALSIFIED,
    /** The end is missing, and the store says the checksum of the rest. */
    TRUNCATED,
    /** It is what another object is, with its checksum. */
    SWAPPED,
    /** It is gone. */
    VANISHED
}
