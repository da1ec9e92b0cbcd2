/** What an operator's monitoring reads: counts, durations, how far everything is. */
@NullMarked
package io.palimpsest.server.metrics;

import org.jspecify.annotations.NullMarked;
