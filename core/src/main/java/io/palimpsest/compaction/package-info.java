/** What background work there is to do on a timeline's layers, and what it keeps: pure planning. */
@NullMarked
package io.palimpsest.compaction;

import org.jspecify.annotations.NullMarked;
