/** {@code make oracle}: redo of every record against the page PostgreSQL logged as right. */
@org.jspecify.annotations.NullMarked
package io.palimpsest.regress.oracle;
