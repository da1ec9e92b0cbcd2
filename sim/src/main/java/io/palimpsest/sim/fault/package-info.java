/** Devices that fail as real ones do: disks and networks, and the plan of what goes wrong. */
@NullMarked
package io.palimpsest.sim.fault;

import org.jspecify.annotations.NullMarked;
