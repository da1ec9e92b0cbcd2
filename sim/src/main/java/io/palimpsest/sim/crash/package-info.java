/** Crash points enumerated: every state a power loss can leave of a durable protocol. */
@NullMarked
package io.palimpsest.sim.crash;

import org.jspecify.annotations.NullMarked;
