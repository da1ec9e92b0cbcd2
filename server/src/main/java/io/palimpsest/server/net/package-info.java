/** TCP for the page service: Netty moves bytes, the core makes sense of them. */
@NullMarked
package io.palimpsest.server.net;

import org.jspecify.annotations.NullMarked;
