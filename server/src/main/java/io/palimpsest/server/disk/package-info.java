/** Files on a real disk. */
@NullMarked
package io.palimpsest.server.disk;

import org.jspecify.annotations.NullMarked;
