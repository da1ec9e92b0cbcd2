/** Values of the field (LSN, key, ids), checks, errors and bytes: what every other room speaks. */
@NullMarked
package io.palimpsest.base;

import org.jspecify.annotations.NullMarked;
