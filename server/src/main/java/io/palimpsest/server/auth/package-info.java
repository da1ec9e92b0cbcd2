/**
 * Who may come in, by signed tokens as the field has them, and how what is said is kept private.
 */
@NullMarked
package io.palimpsest.server.auth;

import org.jspecify.annotations.NullMarked;
