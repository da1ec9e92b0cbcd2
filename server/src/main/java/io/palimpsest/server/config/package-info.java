/** TOML to validated records. */
@NullMarked
package io.palimpsest.server.config;

import org.jspecify.annotations.NullMarked;
