/** What the core asks of the world: the only open interfaces. Each promises little, on purpose. */
@NullMarked
package io.palimpsest.port;

import org.jspecify.annotations.NullMarked;
