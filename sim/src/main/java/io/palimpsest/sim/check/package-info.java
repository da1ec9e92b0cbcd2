/** Independent models that answers are compared with. */
@NullMarked
package io.palimpsest.sim.check;

import org.jspecify.annotations.NullMarked;
