/** The command line beside the daemon: {@code palimpsest NOUN VERB}. */
@NullMarked
package io.palimpsest.server.cli;

import org.jspecify.annotations.NullMarked;
