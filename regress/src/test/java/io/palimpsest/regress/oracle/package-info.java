@org.jspecify.annotations.NullMarked
package io.palimpsest.regress.oracle;
