/** Real PostgreSQL against our server: a workload, a comparison of every page, the demo. */
@NullMarked
package io.palimpsest.regress;

import org.jspecify.annotations.NullMarked;
