package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.auth.TokenClaims;
import io.palimpsest.server.auth.Tokens;
import io.palimpsest.server.connect.Credentials;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says what a token is for, and never the token. */
@Command(
        name = "inspect",
        mixinStandardHelpOptions = true,
        description = {
            "Says what a token opens, and from when until when; never the token itself, nor anything it could be made of again.",
            "It is read from FILE, else from PALIMPSEST_TOKEN or the file that PALIMPSEST_TOKEN_FILE names: an argument would be seen by everybody on the machine.",
            "Exit status 8 if it is not valid now, or with --key is signed with none of these keys. What a server thinks of it, the server knows: palimpsest status."
        })
final class TokenInspect implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Parameters(
            arity = "0..1",
            paramLabel = "FILE",
            description = "A file with a token; - is the standard input.")
    private @Nullable String file;

    @Option(
            names = "--key",
            paramLabel = "FILE",
            description = "The public key, or a directory of some: also say whether it is signed.")
    private @Nullable Path key;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        String token = token();
        TokenClaims claims = TokenClaims.of(token);
        String problem = claims.problem(Instant.now());
        if (problem.isEmpty() && key != null) {
            problem = unsigned(token, key);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            ObjectNode o = Output.object();
            o.put("scope", claims.scope());
            if (claims.tenant() != null) {
                o.put("tenant_id", claims.tenant());
            }
            put(o, "valid_from", claims.notBefore());
            put(o, "expires_at", claims.expires());
            if (key != null) {
                o.put("signed", unsigned(token, key).isEmpty());
            }
            o.put("valid", problem.isEmpty());
            if (!problem.isEmpty()) {
                o.put("problem", problem);
            }
            Output.json(out, o);
        } else {
            out.println(
                    "opens    "
                            + switch (claims.scope()) {
                                case "pageserverapi" -> "everything";
                                case "tenant" -> "tenant " + claims.tenant();
                                default -> "nothing here: its scope is '" + claims.scope() + "'";
                            });
            out.println("from     " + said(claims.notBefore(), "any time"));
            out.println("until    " + said(claims.expires(), "for ever"));
            if (key != null) {
                out.println("signed   " + (unsigned(token, key).isEmpty() ? "yes" : "no"));
            }
        }
        if (!problem.isEmpty()) {
            spec.commandLine().getErr().println("palimpsest: the token is not valid: " + problem);
            return Palimpsest.NOT_ALLOWED;
        }
        return Palimpsest.DONE;
    }

    private String token() throws IOException {
        if (file != null && file.equals("-")) {
            return new String(System.in.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)
                    .strip();
        }
        if (file != null) {
            try {
                return Files.readString(Path.of(file)).strip();
            } catch (IOException e) {
                // Whoever gives the token itself must not see it repeated.
                throw PageserverException.badRequest(
                        "the file that was named cannot be read; the argument is a file with a token, not a token");
            }
        }
        String token = Credentials.of(System.getenv()).token();
        if (token == null) {
            throw PageserverException.badRequest(
                    "which token? Name a file with it, or set PALIMPSEST_TOKEN_FILE");
        }
        return token;
    }

    /** Why no key says that it is; empty: one does. */
    private static String unsigned(String token, Path keys) {
        return new Tokens(keys, InstantSource.system()).isSigned(token)
                ? ""
                : "it is signed with none of the keys of " + keys;
    }

    private static void put(ObjectNode o, String member, @Nullable Instant at) {
        if (at != null) {
            o.put(member, at.toString());
        }
    }

    private static String said(@Nullable Instant at, String otherwise) {
        return at == null ? otherwise : at.toString();
    }
}
