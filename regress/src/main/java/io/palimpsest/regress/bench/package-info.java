/** How fast it is, against peers and limits measured in the same run. */
@NullMarked
package io.palimpsest.regress.bench;

import org.jspecify.annotations.NullMarked;
