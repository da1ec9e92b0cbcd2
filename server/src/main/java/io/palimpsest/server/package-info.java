/** The production server: real time, threads, disks and sockets around the core. */
@NullMarked
package io.palimpsest.server;

import org.jspecify.annotations.NullMarked;
