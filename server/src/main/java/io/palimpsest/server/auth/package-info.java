/** Who may come in: signed tokens, as the field has them. */
@NullMarked
package io.palimpsest.server.auth;

import org.jspecify.annotations.NullMarked;
