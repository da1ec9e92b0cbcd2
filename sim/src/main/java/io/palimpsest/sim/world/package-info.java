/** One thread at a time, chosen by a seed, in virtual time: tasks, clocks, nodes and the trace. */
@NullMarked
package io.palimpsest.sim.world;

import org.jspecify.annotations.NullMarked;
