package io.palimpsest.service;

import io.palimpsest.base.PageserverException;

/** How a door of the server finds out what who comes in may reach. */
public interface Authentication {
    /** Everybody may do everything, and nobody is asked. */
    Authentication TRUST =
            new Authentication() {
                @Override
                public boolean asksForToken() {
                    return false;
                }

                @Override
                public Access check(String token) {
                    return Access.EVERYTHING;
                }
            };

    /** Has a client to show a token? */
    boolean asksForToken();

    /**
     * What the holder of this token may reach.
     *
     * @throws PageserverException UNAUTHORIZED if it is none of ours, or not valid now; FORBIDDEN
     *     if it is for another purpose. Neither repeats any of the token.
     */
    Access check(String token);
}
