/** The simulator and its command line. */
@NullMarked
package io.palimpsest.sim;

import org.jspecify.annotations.NullMarked;
