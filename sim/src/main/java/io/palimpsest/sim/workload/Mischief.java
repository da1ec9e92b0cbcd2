package io.palimpsest.sim.workload;

import io.palimpsest.base.Prng;
import io.palimpsest.timeline.Timeline;

/**
 * What a page server with a defect would do to a timeline some day: a way to plant bugs in a
 * scenario. It is let loose on each timeline again and again.
 */
@FunctionalInterface
public interface Mischief {
    Mischief NONE = (timeline, random) -> {};

    void act(Timeline timeline, Prng random);
}
