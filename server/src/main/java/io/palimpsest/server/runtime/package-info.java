/** Threads, time, ids, sockets and the log of a real machine. */
@NullMarked
package io.palimpsest.server.runtime;

import org.jspecify.annotations.NullMarked;
