/** What a simulated run does. */
@NullMarked
package io.palimpsest.sim.workload;

import org.jspecify.annotations.NullMarked;
