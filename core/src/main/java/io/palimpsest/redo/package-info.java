/** Redo in the JVM: (page, record) -> page, one class a resource manager, no I/O. */
@NullMarked
package io.palimpsest.redo;

import org.jspecify.annotations.NullMarked;
