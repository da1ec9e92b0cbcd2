/** Object stores: a directory, S3 and what speaks like it, Azure. */
@NullMarked
package io.palimpsest.server.store;

import org.jspecify.annotations.NullMarked;
