/** What every implementation of a port must do, as abstract tests. */
@NullMarked
package io.palimpsest.sim.contract;

import org.jspecify.annotations.NullMarked;
