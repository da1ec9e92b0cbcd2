/**
 * The storage engine under load: what it costs, beside limits and peers measured in the same run.
 */
@NullMarked
package io.palimpsest.regress.storage;

import org.jspecify.annotations.NullMarked;
