package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.server.auth.Tokens;
import io.palimpsest.service.Access;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Signs a token. */
@Command(
        name = "create",
        aliases = "issue",
        mixinStandardHelpOptions = true,
        description = {
            "Signs a token and prints it.",
            "The private key is made by: openssl genpkey -algorithm ed25519 -out private.pem",
            "The server is given the public one: openssl pkey -in private.pem -pubout -out auth_public_key.pem"
        })
final class TokenCreate implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--key",
            required = true,
            paramLabel = "FILE",
            description = "The Ed25519 private key (PEM, PKCS #8).")
    private Path key = Path.of("private.pem");

    @ArgGroup(multiplicity = "1")
    private Purpose purpose = new Purpose();

    @Option(
            names = "--days",
            paramLabel = "N",
            description = "For how long it is valid. Without: for ever.")
    private @Nullable Integer days;

    /** One of the two. */
    static final class Purpose {
        @Option(
                names = "--tenant",
                paramLabel = "TENANT",
                description = "It opens all of this tenant's, and nothing else.")
        private @Nullable String tenant;

        @Option(names = "--all", description = "It opens everything.")
        private boolean all;
    }

    @Override
    public Integer call() {
        if (days != null && days < 1) {
            throw PageserverException.badRequest("--days %d: expected at least 1", days);
        }
        Access access =
                purpose.all
                        ? Access.EVERYTHING
                        : new Access(TenantId.parse(Objects.requireNonNull(purpose.tenant)));
        Instant expires = days == null ? null : Instant.now().plus(Duration.ofDays(days));
        spec.commandLine().getOut().println(Tokens.signed(key, access, expires));
        return Palimpsest.DONE;
    }
}
