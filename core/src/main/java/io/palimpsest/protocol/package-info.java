/** Wire protocols as codecs and sessions: bytes in, bytes out. */
@NullMarked
package io.palimpsest.protocol;

import org.jspecify.annotations.NullMarked;
