/** The open layer, layer files and the map that finds them. */
@NullMarked
package io.palimpsest.layer;

import org.jspecify.annotations.NullMarked;
