/**
 * PostgreSQLs that are followed: whether one can be, how safe that is for it, and how it stands.
 */
@NullMarked
package io.palimpsest.server.source;

import org.jspecify.annotations.NullMarked;
