/** Tenants and their timelines: creation, branching, start-up. */
@NullMarked
package io.palimpsest.tenant;

import org.jspecify.annotations.NullMarked;
