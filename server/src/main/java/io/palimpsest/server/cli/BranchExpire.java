package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Says when a branch is deleted by itself. */
@Command(
        name = "expire",
        mixinStandardHelpOptions = true,
        description = {
            "Says when a branch is deleted by itself, or that it is not.",
            "One that is protected or has branches stays until that changes; one that follows a source does not expire."
        })
final class BranchExpire implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(paramLabel = "BRANCH", description = "Its name, or its id.")
    private String branch = "";

    @ArgGroup(multiplicity = "1")
    private When when = new When();

    /** One of these. */
    static final class When {
        @Option(
                names = "--ttl",
                paramLabel = "TIME",
                converter = Age.class,
                description = "After that time from now: 90s, 15m, 12h, 30d.")
        private @Nullable Duration ttl;

        @Option(
                names = "--at",
                paramLabel = "TIME",
                description = "At that time, with a zone: 2026-11-28T14:03:00+01:00.")
        private @Nullable String at;

        @Option(names = "--never", description = "It is not.")
        private boolean never;
    }

    /** BAD_REQUEST if there is nothing of it. */
    static Duration checked(Duration ttl) {
        if (ttl.isZero()) {
            throw PageserverException.badRequest("--ttl 0: to delete it now is branch delete");
        }
        return ttl;
    }

    static ObjectNode body(Duration ttl) {
        return Branches.body().put("ttl_seconds", ttl.toSeconds());
    }

    private ObjectNode body() {
        if (when.ttl != null) {
            return body(checked(when.ttl));
        }
        String at = when.at;
        if (when.never || at == null) {
            return Branches.body().putNull("expires_at");
        }
        if (!(Point.parse(at, Instant.now()) instanceof Point.Time(Instant time))
                || time.isBefore(Instant.now())) {
            throw PageserverException.badRequest(
                    "--at %s: expected a time to come, such as 2026-11-28T14:03:00+01:00", at);
        }
        return Branches.body().put("expires_at", time.toString());
    }

    @Override
    public Integer call() throws InterruptedException {
        ObjectNode body = body();
        return BranchRename.change(
                server,
                branch,
                "expiry",
                body,
                changed ->
                        changed.json().has("expires_at")
                                ? "%s expires at %s"
                                        .formatted(
                                                changed.name(),
                                                changed.json().path("expires_at").asText())
                                : changed.name() + " does not expire");
    }
}
