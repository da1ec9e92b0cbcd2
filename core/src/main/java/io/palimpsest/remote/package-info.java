/**
 * The way to the object store: what is tried again and when, how much at once, what is named how.
 */
@NullMarked
package io.palimpsest.remote;

import org.jspecify.annotations.NullMarked;
