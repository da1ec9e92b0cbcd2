package io.palimpsest.server.cli;

import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import picocli.CommandLine.Parameters;

/** A named point of a branch. */
final class NamedPointOptions {
    @Parameters(
            paramLabel = "BRANCH@NAME",
            description = "The point; @NAME is enough if there is one branch.")
    private String what = "";

    private int at() {
        int at = what.indexOf('@');
        if (at < 0) {
            throw PageserverException.badRequest(
                    "'%s' is no named point: expected BRANCH@NAME", what);
        }
        return at;
    }

    String branch() {
        return what.substring(0, at());
    }

    String name() {
        String name = what.substring(at() + 1);
        return new Label(name.startsWith("name:") ? name.substring(5) : name).text();
    }
}
