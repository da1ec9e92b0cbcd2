/**
 * Clients that behave badly, against the real server over real sockets, beside one that does not.
 */
@NullMarked
package io.palimpsest.regress.fuzz;

import org.jspecify.annotations.NullMarked;
