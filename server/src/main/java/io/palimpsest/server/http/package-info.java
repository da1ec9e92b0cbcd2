/** The management API over HTTP. */
@NullMarked
package io.palimpsest.server.http;

import org.jspecify.annotations.NullMarked;
