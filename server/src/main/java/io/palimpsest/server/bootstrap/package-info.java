/** Clusters that nobody has used yet, made by PostgreSQL's own initdb. */
@NullMarked
package io.palimpsest.server.bootstrap;

import org.jspecify.annotations.NullMarked;
