package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which running page server a command is about, and how it shows that it may. */
final class ServerOptions {
    static final String TOKEN = "PALIMPSEST_TOKEN";
    static final String TOKEN_FILE = TOKEN + "_FILE";
    private static final String DEFAULT = "http://127.0.0.1:9898";

    @Option(
            names = "--server",
            paramLabel = "URL",
            defaultValue = DEFAULT,
            description = {
                "The server's management API. Default: ${DEFAULT-VALUE}.",
                "If the server asks for a token, it is taken from the environment: "
                        + TOKEN
                        + ", or the file that "
                        + TOKEN_FILE
                        + " names."
            })
    private URI server = URI.create(DEFAULT);

    URI url() {
        return server;
    }

    ServerApi open() {
        return new ServerApi(server, token());
    }

    /**
     * The token of who runs the command, null if there is none: by the environment, as arguments
     * are seen by everybody on the machine.
     */
    static @Nullable String token() {
        String token = System.getenv(TOKEN);
        String file = System.getenv(TOKEN_FILE);
        if (token != null || file == null) {
            return token;
        }
        try {
            return Files.readString(Path.of(file)).strip();
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST, TOKEN_FILE + ": " + file + " cannot be read: " + e, e);
        }
    }
}
