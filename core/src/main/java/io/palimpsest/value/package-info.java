/** What is stored under a key at an LSN: images and deltas, and how relations map to keys. */
@NullMarked
package io.palimpsest.value;

import org.jspecify.annotations.NullMarked;
