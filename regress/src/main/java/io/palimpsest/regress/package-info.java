/** Programs and suites that need a real PostgreSQL. */
@NullMarked
package io.palimpsest.regress;

import org.jspecify.annotations.NullMarked;
