/** The services a page server offers, as commands: page service, import, management. */
@NullMarked
package io.palimpsest.service;

import org.jspecify.annotations.NullMarked;
